/* The desk's sprinkles: keys, toasts, drafts, live ticks. Every page works without them. */
(function () {
  'use strict';
  var doc = document;
  var body = doc.body;
  var root = doc.documentElement;
  var text = body.dataset;

  function first(selector, within) {
    return (within || doc).querySelector(selector);
  }
  function all(selector, within) {
    return Array.prototype.slice.call((within || doc).querySelectorAll(selector));
  }
  function isShown(element) {
    return element && element.getClientRects().length > 0;
  }

  /* htmx: its event names appear in this block only. */
  var HTMX = {
    before: 'htmx:before:request',
    response: 'htmx:before:response',
    after: 'htmx:after:request',
    done: 'htmx:finally:request',
    swapped: 'htmx:after:swap',
    failed: 'htmx:error'
  };
  var running = 0;
  function isPoll(event) {
    var ctx = event.detail && event.detail.ctx;
    return Boolean(ctx && ctx.sourceEvent && ctx.sourceEvent.type === 'pd:tick');
  }
  doc.addEventListener(HTMX.before, function (event) {
    if (isPoll(event)) { return; }
    running += 1;
    root.classList.add('is-busy');
  });
  doc.addEventListener(HTMX.done, function (event) {
    if (isPoll(event)) { return; }
    running = Math.max(0, running - 1);
    if (!running) { root.classList.remove('is-busy'); }
  });
  doc.addEventListener(HTMX.response, function (event) {
    var raw = event.detail.ctx.response.raw;
    root.classList.remove('is-offline');
    // Signed out meanwhile: show the sign-in page as a page, not inside a list. Drafts are kept.
    if (raw.redirected && text.login && new URL(raw.url).pathname === text.login) {
      event.preventDefault();
      location.reload();
    }
  });
  doc.addEventListener(HTMX.after, function (event) {
    // Nobody asked for a poll: its refusals are not worth a word.
    if (isPoll(event)) { return; }
    var ctx = event.detail.ctx;
    var form = ctx.sourceElement.closest('[data-composer] form');
    if (form && ctx.response.status < 300) {
      forget(form);
      form.reset();
    }
    // These are not swapped in (htmx-config): a page of its own has no place inside a list.
    if ([400, 403, 404, 429].indexOf(ctx.response.status) >= 0 || ctx.response.status >= 500) {
      toast({ text: text.textFailed, level: 'error' });
    }
  });
  doc.addEventListener(HTMX.failed, function () {
    if (!root.classList.contains('is-offline')) {
      root.classList.add('is-offline');
      toast({ text: text.textOffline, level: 'error' });
    }
  });

  /* Live regions listen to pd:tick: every 15 s with jitter, only while seen and online. */
  function tick() {
    if (!doc.hidden && navigator.onLine !== false) {
      body.dispatchEvent(new CustomEvent('pd:tick', { bubbles: true }));
    }
  }
  function again() {
    setTimeout(function () { tick(); again(); }, 15000 * (0.85 + Math.random() * 0.3));
  }
  again();
  doc.addEventListener('visibilitychange', tick);
  window.addEventListener('online', tick);

  /* Toasts, from HX-Trigger: {"pd:toast": {"text", "level"?, "undo"?}}; undo is posted to. */
  function close(element) {
    if (element.parentNode) { element.parentNode.removeChild(element); }
  }
  function button(label, className) {
    var made = doc.createElement('button');
    made.textContent = label;
    if (className) { made.className = className; }
    return made;
  }
  function dismissable(element, seconds) {
    var shut = button('×', 'close');
    shut.type = 'button';
    shut.setAttribute('aria-label', text.textClose);
    shut.addEventListener('click', function () { close(element); });
    element.appendChild(shut);
    if (seconds) { setTimeout(close, seconds * 1000, element); }
  }
  function toast(detail) {
    var place = first('#toasts');
    if (!place || !detail || !detail.text) { return; }
    var element = doc.createElement('div');
    element.className = 'toast' + (detail.level === 'error' ? ' error' : '');
    var words = doc.createElement('span');
    words.textContent = detail.text;
    element.appendChild(words);
    var token = first('input[name=csrfmiddlewaretoken]');
    if (detail.undo && detail.undo[0] === '/' && detail.undo[1] !== '/' && token) {
      var form = doc.createElement('form');
      form.method = 'post';
      form.action = detail.undo;
      form.appendChild(token.cloneNode());
      form.appendChild(button(text.textUndo));
      element.appendChild(form);
    }
    dismissable(element, detail.level === 'error' ? 0 : 8);
    place.appendChild(element);
  }
  doc.addEventListener('pd:toast', function (event) { toast(event.detail); });
  all('#toasts .toast').forEach(function (element) {
    dismissable(element, element.classList.contains('error') ? 0 : 8);
  });

  /* Drafts: per person, ticket and tab, in this browser. A draft that was sent is set aside and
     comes back unless the page then counts one more message (data-messages). */
  function draftKey(field) {
    var composer = field.closest('[data-composer]');
    return 'pd:draft:' + (text.user || '') + ':' + composer.dataset.composer + ':' + field.dataset.draft;
  }
  function store(key, value) {
    try {
      if (value) { localStorage.setItem(key, value); } else { localStorage.removeItem(key); }
    } catch (error) { /* storage is full or switched off: the text stays in the field */ }
  }
  function stored(key) {
    try { return localStorage.getItem(key) || ''; } catch (error) { return ''; }
  }
  function forget(form) {
    all('[data-draft]', form).forEach(function (field) {
      store(draftKey(field), '');
      store(draftKey(field) + ':sent', '');
    });
  }
  function restore(field) {
    var key = draftKey(field);
    var count = field.closest('[data-composer]').dataset.messages || '';
    var sent = stored(key + ':sent');
    if (sent) {
      var cut = sent.indexOf('|');
      if (sent.slice(0, cut) === count && !stored(key)) { store(key, sent.slice(cut + 1)); }
      store(key + ':sent', '');
    }
    if (!field.value && stored(key)) {
      field.value = stored(key);
      grow(field);
    }
  }
  function grow(field) {
    if (field.scrollHeight > field.clientHeight) { field.style.height = field.scrollHeight + 4 + 'px'; }
  }
  all('[data-composer] [data-draft]').forEach(restore);
  doc.addEventListener('input', function (event) {
    if (event.target.closest('[data-composer]') && event.target.dataset.draft) {
      store(draftKey(event.target), event.target.value);
      grow(event.target);
    }
  });
  doc.addEventListener('submit', function (event) {
    if (!event.target.closest('[data-composer]') || event.defaultPrevented) { return; }
    all('[data-draft]', event.target).forEach(function (field) {
      var composer = field.closest('[data-composer]');
      store(draftKey(field) + ':sent', (composer.dataset.messages || '') + '|' + field.value);
      store(draftKey(field), '');
    });
  });
  function openTab(name) {
    var choice = first('#composer-' + name);
    if (!choice) { return false; }
    choice.checked = true;
    var field = first('[data-composer] [data-draft=' + name + ']');
    if (field) { field.focus(); }
    return true;
  }
  doc.addEventListener('change', function (event) {
    if (event.target.name === 'composer-tab') { openTab(event.target.value); }
  });

  /* Rows: J and K move, Enter and O open. The mark stays on the same ticket over live updates. */
  var start = first('.row.cur .ti');
  var current = start ? start.getAttribute('href') : '';
  var glance = 0;
  function rows() { return all('.row').filter(isShown); }
  function mark(row) {
    rows().forEach(function (other) { other.classList.toggle('cur', other === row); });
    var link = first('.ti', row);
    current = link.getAttribute('href');
    link.focus({ preventScroll: true });
    row.scrollIntoView({ block: 'nearest' });
    preview(row);
  }
  function indexOf(list) {
    for (var i = 0; i < list.length; i += 1) {
      if (first('.ti', list[i]).getAttribute('href') === current) { return i; }
    }
    return -1;
  }
  function move(step) {
    var list = rows();
    if (!list.length) { return; }
    var at = indexOf(list);
    mark(list[Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + step))]);
  }
  function openRow() {
    var list = rows();
    var at = indexOf(list);
    if (at >= 0) { first('.ti', list[at]).click(); }
  }

  /* Dialogs and menus */
  function openDialog(id) {
    var dialog = doc.getElementById(id);
    if (dialog && dialog.showModal && !dialog.open) { dialog.showModal(); }
  }
  function closeMenus(except) {
    all('details[data-menu][open]').forEach(function (menu) {
      if (!except || !menu.contains(except)) { menu.open = false; }
    });
  }
  doc.addEventListener('click', function (event) {
    var opener = event.target.closest('[data-dialog]');
    if (opener) {
      event.preventDefault();
      closeMenus();
      openDialog(opener.dataset.dialog);
      return;
    }
    var closer = event.target.closest('dialog [data-close]');
    if (closer && closer.closest('dialog').open) {
      event.preventDefault();
      closer.closest('dialog').close();
      return;
    }
    closeMenus(event.target);
  });
  function escape() {
    closeMenus();
    if (first('.t-side:target')) { location.hash = '#main'; return; }
    if (isTyping(doc.activeElement)) { doc.activeElement.blur(); }
  }

  /* Keys: single ones only outside fields, never while an input method composes. */
  function isTyping(element) {
    return Boolean(element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)) &&
      !/^(checkbox|radio|button|submit)$/.test(element.type || ''));
  }
  function search() {
    var field = all('[data-search]').filter(isShown)[0];
    if (field) { field.focus(); field.select(); } else {
      var link = first('.d-find-ico');
      if (link) { location.href = link.href; }
    }
  }
  function press(selector) {
    var target = all(selector)[0];
    if (target) { target.click(); }
    return Boolean(target);
  }
  var waitsForGo = 0;
  var KEYS = {
    j: function () { move(1); },
    k: function () { move(-1); },
    o: openRow,
    r: function () { return openTab('reply'); },
    n: function () { return openTab('note'); },
    '/': search,
    '?': function () { openDialog('shortcuts'); },
    g: function () { waitsForGo = Date.now(); }
  };
  function single(event) {
    var key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (Date.now() - waitsForGo < 1500 && /^[a-z]$/.test(key)) {
      waitsForGo = 0;
      return press('[data-go="' + key + '"]');
    }
    if (key === 'Enter') {
      if (doc.activeElement === body && current) { openRow(); return true; }
      return false;
    }
    if (KEYS[key]) { return KEYS[key]() !== false; }
    return /^[a-z[\]]$/.test(key) && press('[data-key="' + key + '"]');
  }
  doc.addEventListener('keydown', function (event) {
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) { return; }
    var command = event.ctrlKey || event.metaKey;
    if (command && event.key === 'Enter') {
      var form = event.target.closest('[data-composer] form');
      if (form) { event.preventDefault(); form.requestSubmit(first('[data-send]', form)); }
      return;
    }
    if (command && event.key.toLowerCase() === 'k' && !event.shiftKey) {
      event.preventDefault();
      search();
      return;
    }
    if (event.key === 'Escape') { if (!first('dialog[open]')) { escape(); } return; }
    if (command || event.altKey || text.shortcuts === 'off') { return; }
    if (isTyping(event.target) || first('dialog[open]')) { return; }
    if (single(event)) { event.preventDefault(); }
  });

  /* Pages of tickets: the pane beside the inbox, a ticket's dialogs, a composer that was sent. */
  var waitsForPane = 0;
  function preview(row) {
    clearTimeout(waitsForPane);
    if (!row.dataset.preview || !isShown(first('#preview')) || !window.htmx) { return; }
    waitsForPane = setTimeout(function () {
      window.htmx.ajax('GET', row.dataset.preview, { target: '#preview', swap: 'innerHTML' });
    }, 120);
  }
  var chosen = first('.in-list .row.cur .ti');
  if (chosen) { current = chosen.getAttribute('href'); }
  doc.addEventListener('click', function (event) {
    var link = event.target.closest('.in-list .row .ti');
    var plain = !event.button && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    // One click shows the ticket in the pane, a second one opens it.
    if (link && plain && isShown(first('#preview')) && !link.closest('.row').classList.contains('cur')) {
      event.preventDefault();
      mark(link.closest('.row'));
    }
  });
  doc.addEventListener('pd:sent', function (event) {
    var form = event.target.closest('form');
    if (!form) { return; }
    form.reset();
    all('textarea', form).forEach(function (field) { field.value = ''; field.style.height = ''; });
    var last = first('#last');
    if (last) { last.scrollIntoView({ block: 'nearest' }); }
  });

  var problem = first('.errsum');
  if (problem) { problem.focus(); }
}());
