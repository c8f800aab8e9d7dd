/* Shrinks photos to 1600 px before they are sent. Without it the originals are sent. */
(function () {
  'use strict';
  var LONGEST = 1600;
  var SMALL = 400 * 1024;

  function shrink(file) {
    return new Promise(function (resolve) {
      if (!/^image\/(jpeg|png|webp)$/.test(file.type) || file.size < SMALL) { resolve(file); return; }
      var address = URL.createObjectURL(file);
      var picture = new Image();
      function give(result) { URL.revokeObjectURL(address); resolve(result); }
      picture.onerror = function () { give(file); };
      picture.onload = function () {
        var scale = Math.min(1, LONGEST / Math.max(picture.naturalWidth, picture.naturalHeight));
        var canvas = document.createElement('canvas');
        canvas.width = Math.round(picture.naturalWidth * scale);
        canvas.height = Math.round(picture.naturalHeight * scale);
        canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
        canvas.toBlob(function (blob) {
          if (!blob || blob.size >= file.size) { give(file); return; }
          give(new File([blob], file.name.replace(/\.\w+$/, '') + '.jpg', { type: 'image/jpeg' }));
        }, 'image/jpeg', 0.82);
      };
      picture.src = address;
    });
  }

  document.addEventListener('change', function (event) {
    var field = event.target;
    if (field.type !== 'file' || !window.DataTransfer || !field.files.length) { return; }
    var submit = field.form && field.form.querySelector('[type=submit], button:not([type])');
    if (submit) { submit.disabled = true; }
    Promise.all(Array.prototype.map.call(field.files, shrink)).then(function (files) {
      var box = new DataTransfer();
      files.forEach(function (file) { box.items.add(file); });
      field.files = box.files;
    }).catch(function () { /* the originals stay chosen */ }).then(function () {
      if (submit) { submit.disabled = false; }
    });
  });

  var problem = document.querySelector('.errsum');
  if (problem) { problem.focus(); }
}());
