// Finds QR codes in the picture of a video: by the browser's own detector, or by asking the server.

import { post } from './api.js';

/** Pixels on a side of what the server is shown: enough for a ticket's code that fills half of it. */
const SIDE = 288;

async function detector() {
  if (!('BarcodeDetector' in globalThis)) return null;
  const formats = await BarcodeDetector.getSupportedFormats().catch(() => []);
  return formats.includes('qr_code') ? new BarcodeDetector({ formats: ['qr_code'] }) : null;
}

/** The middle of the picture in sixteen shades of grey, two pixels a byte. */
function shades(context, video) {
  const side = Math.min(video.videoWidth, video.videoHeight);
  context.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, SIDE, SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const shade = (pixel) => (data[pixel * 4] * 77 + data[pixel * 4 + 1] * 150 + data[pixel * 4 + 2] * 29) >> 12;
  return Array.from({ length: (SIDE * SIDE) / 2 }, (_, pair) => String.fromCharCode((shade(pair * 2) << 4) | shade(pair * 2 + 1))).join('');
}

/** How to find the texts of codes in a video, and how long to wait before the next time. */
export async function finder() {
  const own = await detector();
  if (own) {
    // A picture that cannot be read is followed by another.
    return { find: async (video) => (await own.detect(video).catch(() => [])).map(({ rawValue }) => rawValue), pause: 150 };
  }
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [SIDE, SIDE];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const find = async (video) => {
    if (!video.videoWidth) return [];
    const { codes } = await post('/admin/check-in/look', { side: SIDE, pixels: btoa(shades(context, video)) }, { signed: true, timeout: 6000, repeats: 2 });
    return codes;
  };
  return { find, pause: 400 };
}
