"""What a deed on a ticket refuses, beyond rights and states."""

from posdoctor.core.errors import DomainError


class NothingToSayError(DomainError):
    """A message without words and without files."""

    code = "nothing_to_say"


class TooManyFilesError(DomainError):
    """More files than one message or report may carry."""

    code = "too_many_files"


class UnknownPersonError(DomainError):
    """The person or team is not of this provider, or cannot sign in any more."""

    code = "unknown_person"


class UnknownFixError(DomainError):
    """The flow that was walked has no such fix."""

    code = "unknown_fix"
