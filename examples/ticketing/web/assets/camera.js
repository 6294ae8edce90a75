// Reading codes by camera: the browser finds them where it can, the server where it cannot.

import { el } from './dom.js';
import { t } from './i18n.js';
import { finder } from './code-finder.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';

/** The same code is not read again before this time: it is still in the picture. */
const AGAIN_MS = 4000;

/** A button that starts and stops the camera, or nothing where there can be none; `read` is told each code. */
export function camera(read) {
  if (!navigator.mediaDevices) return null;
  const video = el('video', { class: 'door-video', id: 'camera-picture', hidden: true, muted: true, playsinline: true });
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
  };
  const look = async () => {
    const { find, pause } = await finder();
    const seen = new Map();
    while (stream) {
      for (const code of await find(video)) {
        if (Date.now() - (seen.get(code) ?? -AGAIN_MS) < AGAIN_MS) continue;
        seen.set(code, Date.now());
        await read(code);
      }
      await new Promise((done) => { setTimeout(done, pause); });
    }
  };
  button.addEventListener('click', async () => {
    if (stream) { stop(); return; }
    try {
      await start();
    } catch {
      stop();
      notify(t('door.noCamera'), 'bad');
      return;
    }
    look().catch((problem) => { stop(); notify(friendly(problem), 'bad'); });
  });
  addEventListener('pagehide', stop);
  return el('div', {}, button, video);
}
