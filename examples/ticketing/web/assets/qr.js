// QR codes that the server drew. As pictures: nothing in them can become part of the page.

import { el } from './dom.js';

/** The picture of a QR code; `alt` says what it is for. */
export const qrImage = (drawn, alt) => el('img', { src: `data:image/svg+xml,${encodeURIComponent(drawn)}`, alt, draggable: 'false' });
