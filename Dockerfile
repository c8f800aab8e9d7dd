# The production image: one image, and the command says which process it is.
# Built and run by docker-compose.yml; docs/howto/run-in-production.md tells the rest.

FROM python:3.11-slim-bookworm AS packages
COPY requirements/base.txt /build/
# base.txt, not local.txt: the embedded engines never enter the image.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --only-binary=:all: \
        --require-hashes -r /build/base.txt

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin posdoctor \
    && install -d -o posdoctor -g posdoctor /srv/media /srv/static
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    STATIC_ROOT=/srv/static \
    MEDIA_ROOT=/srv/media
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
# Byte code, texts and static files are made once, here: the root file system is read-only later.
# The key signs nothing and is forgotten; every process refuses to start without one of its own.
RUN SECRET_KEY=$(python -c "import secrets; print(secrets.token_urlsafe(48))") \
    && export SECRET_KEY \
    && python -m compileall -q /app /opt/venv/lib \
    && POSDOCTOR_LOCAL=true python manage.py compile_texts \
    && python manage.py collectstatic --noinput
USER posdoctor
VOLUME /srv/media
EXPOSE 8000
CMD ["gunicorn", "posdoctor.wsgi", "--bind=0.0.0.0:8000", "--worker-class=gthread", \
     "--workers=3", "--threads=8", "--worker-tmp-dir=/dev/shm", "--graceful-timeout=20", \
     "--no-control-socket"]
