// A file on its way to the server, with how much of it is there: `fetch` does not tell.

/** As `fetch`, with `progress` called with parts of one. */
export function sendFile(address, { method, headers, body, signal, progress }) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', ({ lengthComputable, loaded, total }) => {
      if (lengthComputable) progress(loaded / total);
    });
    request.addEventListener('load', () => {
      const retryAfter = request.getResponseHeader('Retry-After');
      done(new Response(request.responseText, { status: request.status, headers: retryAfter ? { 'Retry-After': retryAfter } : {} }));
    });
    request.addEventListener('error', () => failed(new TypeError('no connection')));
    signal.addEventListener('abort', () => {
      request.abort();
      failed(signal.reason);
    });
    request.send(body);
  });
}
