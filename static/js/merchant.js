/* Shrinks photos to 1600 px before they are sent. Without it the originals are sent. */
(function () {
  'use strict';
  var LONGEST = 1600;
  var SMALL = 400 * 1024;

  // createImageBitmap and not an <img> of a blob: address: the policy allows pictures of our own
  // host only. Old browsers without it send the original.
  function shrink(file) {
    if (!/^image\/(jpeg|png|webp)$/.test(file.type) || file.size < SMALL || !window.createImageBitmap) {
      return Promise.resolve(file);
    }
    return Promise.resolve().then(function () {
      return createImageBitmap(file, { imageOrientation: 'from-image' });
    }).then(function (picture) {
      var scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
      var canvas = document.createElement('canvas');
      canvas.width = Math.round(picture.width * scale);
      canvas.height = Math.round(picture.height * scale);
      canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
      return new Promise(function (resolve) { canvas.toBlob(resolve, 'image/jpeg', 0.82); });
    }).then(function (blob) {
      if (!blob || blob.size >= file.size) { return file; }
      return new File([blob], file.name.replace(/\.\w+$/, '') + '.jpg', { type: 'image/jpeg' });
    }).catch(function () { return file; });
  }

  document.addEventListener('change', function (event) {
    var field = event.target;
    if (field.type !== 'file' || !window.DataTransfer || !field.files.length) { return; }
    var buttons = field.form ? field.form.querySelectorAll('[type=submit], button:not([type])') : [];
    function block(on) { Array.prototype.forEach.call(buttons, function (b) { b.disabled = on; }); }
    block(true);
    Promise.all(Array.prototype.map.call(field.files, shrink)).then(function (files) {
      var box = new DataTransfer();
      files.forEach(function (file) { box.items.add(file); });
      field.files = box.files;
    }).catch(function () { /* the originals stay chosen */ }).then(function () {
      block(false);
    });
  });

  var problem = document.querySelector('.errsum');
  if (problem) { problem.focus(); }
}());
