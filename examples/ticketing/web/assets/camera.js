// Reading codes by camera, where the browser can; elsewhere a scanner types, or a person.

import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';

/** The same code is not read again before this time: it is still in the picture. */
const AGAIN_MS = 4000;

/** A button that starts and stops the camera, or nothing where codes cannot be read; `read` is told each code. */
export function camera(read) {
  if (!('BarcodeDetector' in globalThis) || !navigator.mediaDevices) return null;
  const video = el('video', { class: 'door-video', hidden: true, muted: true, playsinline: true });
  const button = el('button', { class: 'button quiet', type: 'button', id: 'camera' }, t('door.camera'));
  let stream = null;
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.hidden = true;
    button.textContent = t('door.camera');
  };
  const start = async () => {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    video.srcObject = stream;
    video.hidden = false;
    await video.play();
    button.textContent = t('door.cameraStop');
    const detector = new BarcodeDetector({ formats: ['qr_code'] });
    const seen = new Map();
    while (stream) {
      const found = await detector.detect(video).catch(() => []);
      for (const { rawValue } of found) {
        if (Date.now() - (seen.get(rawValue) ?? 0) < AGAIN_MS) continue;
        seen.set(rawValue, Date.now());
        await read(rawValue);
      }
      await new Promise((done) => { setTimeout(done, 150); });
    }
  };
  button.addEventListener('click', () => {
    if (stream) stop();
    else start().catch(() => { stop(); notify(t('door.noCamera'), 'bad'); });
  });
  addEventListener('pagehide', stop);
  return el('div', {}, button, video);
}
