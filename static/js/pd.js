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
    config: 'htmx:config:request',
    swap: 'htmx:before:swap',
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
    return Boolean(ctx && ctx.sourceEvent && /^pd:(tick|border)$/.test(ctx.sourceEvent.type));
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
    root.classList.toggle('is-offline', raw.status >= 500);
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

  // A live part says which version of itself it shows: 304 while that holds.
  doc.addEventListener(HTMX.config, function (event) {
    var tag = event.detail.ctx.sourceElement.dataset.ptag;
    if (tag && isPoll(event)) { event.detail.ctx.request.headers['HX-PTag'] = tag; }
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
  doc.addEventListener('visibilitychange', function () { tick(); count(); });
  window.addEventListener('online', tick);
  window.addEventListener('offline', function () { root.classList.add('is-offline'); });

  /* Clocks. The server decides the state and names the moment to be asked again (data-next); here
     badges count down (data-due) by the server's clock: minutes, and seconds where they are few. */
  var counting = 0;
  function pair(n) { return (n < 10 ? '0' : '') + n; }
  function serverNow(part) {
    if (part.pdSent !== part.dataset.now) {
      part.pdSent = part.dataset.now;
      part.pdAhead = Number(part.pdSent) - Date.now();
    }
    return Date.now() + part.pdAhead;
  }
  function countWords(words, left, isCritical) {
    var minutes = left < 0 ? Math.max(1, Math.floor(-left / 60000)) : Math.ceil(left / 60000);
    if (isCritical) {
      var seconds = Math.max(0, Math.floor(left / 1000));
      return words[2].replace('#', pair(Math.floor(seconds / 60)) + ':' + pair(seconds % 60));
    }
    if (left >= 0) { return words[minutes < 120 ? 0 : 1].replace('#', minutes < 120 ? minutes : Math.floor(minutes / 60)); }
    if (minutes < 120) { return words[3].replace('#', minutes); }
    return minutes < 2880 ? words[4].replace('#', Math.floor(minutes / 60)) : words[5].replace('#', Math.floor(minutes / 1440));
  }
  function count() {
    clearTimeout(counting);
    if (doc.hidden) { return; }
    var wait = 60000;
    all('.sla[data-due], .sla[data-next]').forEach(function (badge) {
      var part = badge.closest('[data-now]');
      if (!part) { return; }
      var now = serverNow(part);
      var left = Number(badge.dataset.due) - now;
      var next = Number(badge.dataset.next);
      if (badge.dataset.due) {
        var isCritical = badge.classList.contains('crit');
        // At a border the server has the word: until it speaks a badge does not run past it.
        var bound = next && now >= next ? Number(badge.dataset.due) - next + 1 : left;
        var text = first('span:not(.vh)', badge).firstChild;
        var words = countWords(part.dataset.words.split('|'), bound, isCritical);
        if (text.data !== words) { text.data = words; }
        var unit = isCritical ? 1000 : 60000;
        wait = Math.min(wait, left > 0 ? left % unit || unit : unit - (-left % unit));
      }
      if (next && now >= next) { askServer(part); wait = Math.min(wait, 5000); }
      else if (next) { wait = Math.min(wait, next - now); }
    });
    counting = setTimeout(count, Math.max(20, wait + 5));
  }
  function askServer(part) {
    if (Date.now() - (part.pdAsked || 0) < 4000) { return; }
    part.pdAsked = Date.now();
    part.dispatchEvent(new CustomEvent('pd:border'));
  }
  function shapes() {
    var found = {};
    all('[id] > .sla').forEach(function (badge) { found[badge.parentNode.id] = badge.className; });
    return found;
  }
  /* What a new list would do under the pointer waits behind a pill; faces change at once. */
  var before = {};
  function isHeld(list) { return list.matches(':hover') && !list.pdForced; }
  function hold(list, markup) {
    var fresh = new DOMParser().parseFromString(markup, 'text/html');
    var added = 0;
    all('.row', fresh).forEach(function (row) {
      var old = doc.getElementById(row.id);
      if (!old) { added += 1; return; }
      old.replaceChild(first('.sla', row), first('.sla', old));
    });
    var order = function (from) { return all('.row, .grp', from).map(function (line) { return line.id || line.className; }).join(); };
    if (order(fresh) === order(list)) { return false; }
    var pill = first('.newpill', list) || button('', 'newpill');
    pill.type = 'button';
    pill.textContent = added ? list.dataset.textNew.replace('#', added) : list.dataset.textChanged;
    list.insertBefore(pill, list.firstChild);
    say(pill.textContent);
    return true;
  }
  function release(list) {
    if (!first('.newpill', list)) { return; }
    list.pdForced = true;
    list.dispatchEvent(new CustomEvent('pd:border'));
  }
  function say(words) {
    var place = first('#clock-news');
    if (place && words && place.textContent !== words) { place.textContent = words; }
  }
  doc.addEventListener(HTMX.swap, function (event) {
    var ctx = event.detail.ctx;
    before = shapes();
    if (ctx.sourceElement.id === 'queue' && isPoll(event) && ctx.response.status === 200) {
      if (isHeld(ctx.sourceElement) && hold(ctx.sourceElement, ctx.text)) {
        event.preventDefault();
        count();
      }
      ctx.sourceElement.pdForced = false;
    }
  });
  doc.addEventListener(HTMX.swapped, function () {
    var list = rows();
    list.forEach(function (row) { row.classList.toggle('cur', first('.ti', row).getAttribute('href') === current); });
    count();
    // Told once, when the state changes, never when it counts.
    say(all('[id] > .sla').filter(function (badge) {
      var was = before[badge.parentNode.id];
      return was && was !== badge.className;
    }).slice(0, 3).map(function (badge) {
      var title = first('.x', badge.parentNode);
      return (title ? title.textContent + ': ' : '') + badge.textContent;
    }).join('; '));
  });
  doc.addEventListener('click', function (event) {
    if (event.target.closest('.newpill')) { release(event.target.closest('.in-list')); }
  });
  doc.addEventListener('mouseout', function (event) {
    var list = event.target.closest('.in-list');
    if (list && !list.contains(event.relatedTarget)) { release(list); }
  });

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

  /* Dialogs and menus. A dialog that is not in the page yet is fetched from its button's address. */
  var waitsForDialog = '';
  function openDialog(id) {
    var dialog = doc.getElementById(id);
    if (dialog && dialog.showModal && !dialog.open) { dialog.showModal(); }
  }
  function fetchDialog(opener) {
    if (waitsForDialog === opener.dataset.dialog) { return; }
    waitsForDialog = opener.dataset.dialog;
    window.htmx.ajax('GET', opener.getAttribute('href').split('#')[0] + '&pane=deed', { target: '#deeds', swap: 'beforeend' });
  }
  doc.addEventListener(HTMX.swapped, function () {
    if (waitsForDialog && doc.getElementById(waitsForDialog)) {
      openDialog(waitsForDialog);
      waitsForDialog = '';
    }
  });
  doc.addEventListener(HTMX.done, function (event) {
    if (!isPoll(event)) { waitsForDialog = ''; }
  });
  function closeMenus(except) {
    all('details[data-menu][open]').forEach(function (menu) {
      if (!except || !menu.contains(except)) { menu.open = false; }
    });
  }
  doc.addEventListener('click', function (event) {
    var opener = event.target.closest('[data-dialog]');
    if (opener) {
      var isHere = Boolean(doc.getElementById(opener.dataset.dialog));
      if (!isHere && !window.htmx) { return; }
      event.preventDefault();
      closeMenus();
      if (isHere) { openDialog(opener.dataset.dialog); } else { fetchDialog(opener); }
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

  count();
  var problem = first('.errsum');
  if (problem) { problem.focus(); }
}());
