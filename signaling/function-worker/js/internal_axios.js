// axios, which the official library uses, over the gateway's client: an adapter in place of Node's sockets.
'use strict';
const { Buffer } = require('buffer');
const { send } = require('internal_fetch');
exports.adapt = (axios) => {
  const library = axios.default || axios;
  if (!library.defaults || !library.AxiosError) return;
  library.defaults.adapter = async (config) => {
    const { AxiosError, AxiosHeaders, CanceledError } = library;
    const headers = AxiosHeaders.from(config.headers).normalize(false);
    if (config.auth) headers.set('Authorization', `Basic ${Buffer.from(`${config.auth.username || ''}:${config.auth.password || ''}`).toString('base64')}`);
    if (!headers.has('User-Agent')) headers.set('User-Agent', `axios/${library.VERSION}`);
    let body = config.data;
    if (body && typeof body.getBuffer === 'function') { headers.set(body.getHeaders()); body = body.getBuffer(); }
    else if (typeof body === 'string') body = Buffer.from(body);
    else if (body instanceof URLSearchParams) body = Buffer.from(body.toString());
    else if (body instanceof ArrayBuffer) body = Buffer.from(body);
    const url = library.getUri({ ...config, allowAbsoluteUrls: config.allowAbsoluteUrls });
    const limit = new AbortController();
    const timer = config.timeout ? setTimeout(() => limit.abort(new AxiosError(config.timeoutErrorMessage || `timeout of ${config.timeout}ms exceeded`, AxiosError.ECONNABORTED, config)), config.timeout) : null;
    if (config.signal) config.signal.addEventListener('abort', () => limit.abort(new CanceledError(null, config)));
    let answer;
    try {
      const pairs = Object.entries(headers.toJSON()).map(([name, value]) => [name, String(value)]);
      answer = await send({ method: (config.method || 'get').toUpperCase(), url, headers: pairs, body, follow: config.maxRedirects !== 0, signal: limit.signal });
    } catch (error) {
      throw error instanceof AxiosError ? error : Object.assign(AxiosError.from(error, error.code, config), { code: error.code });
    } finally { clearTimeout(timer); }
    const type = config.responseType;
    const data = type === 'arraybuffer' ? answer.body : type === 'stream' ? require('stream').Readable.from([answer.body]) : answer.body.toString(config.responseEncoding || 'utf8');
    const received = {};
    for (const [name, value] of answer.headers) {
      if (name === 'set-cookie') (received[name] ??= []).push(value);
      else received[name] = name in received ? `${received[name]}, ${value}` : value;
    }
    const response = { data, status: answer.status, statusText: answer.statusText, headers: AxiosHeaders.from(received), config, request: { res: { responseUrl: answer.url } } };
    if (!config.validateStatus || config.validateStatus(answer.status)) return response;
    throw new AxiosError(`Request failed with status code ${answer.status}`, answer.status >= 500 ? AxiosError.ERR_BAD_RESPONSE : AxiosError.ERR_BAD_REQUEST, config, response.request, response);
  };
};
