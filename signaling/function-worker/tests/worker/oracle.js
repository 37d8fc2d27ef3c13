// Runs functions in Node, as the reference for our worker: node oracle.js FOLDER < cases.json
// A case is a file below FOLDER, an event and a context. Prints a list of [status, body]. The official library is
// resolved from the working directory.
'use strict';
const fs = require('fs');
const path = require('path');
const Module = require('module');
const twilio = require(require.resolve('twilio', { paths: [process.cwd()] }));

class Response {
  constructor({ statusCode = 200, body = null, headers = {} } = {}) { Object.assign(this, { statusCode, body, headers: { ...headers } }); }
  setStatusCode(code) { this.statusCode = code; return this; }
  setBody(body) { this.body = body; return this; }
  setHeaders(headers) { this.headers = { ...headers }; return this; }
  appendHeader(name, value) { this.headers[name] = value; return this; }
}
twilio.Response = Response;
global.Twilio = twilio;
global.Response = Response;
// What functions print is not the answer.
console.log = console.info = console.warn = console.error = () => {};
process.on('unhandledRejection', () => {});

// Functions find the library where the platform has it.
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  return /^(twilio|axios)(\/|$)/.test(request) ? require.resolve(request, { paths: [process.cwd()] }) : resolve.call(this, request, ...rest);
};

const isError = (value) => value instanceof Error || (value && typeof value.message === 'string' && 'stack' in value);
function answered(error, value) {
  if (error) return isError(error) ? [500, `${error.name}: ${error.message}`] : [500, typeof error === 'string' ? error : JSON.stringify(error)];
  if (value === undefined || value === null) return [200, ''];
  if (typeof value === 'string') return [200, value];
  if (/Response$/.test(value.constructor.name) && !(value instanceof Response)) return [200, value.toString()];
  if (value instanceof Response) return [value.statusCode, value.body === null ? '' : typeof value.body === 'object' ? JSON.stringify(value.body) : String(value.body)];
  return [200, JSON.stringify(value)];
}

const root = process.argv[2];
function run({ file, event, context, functions, assets }) {
  global.Runtime = {
    getFunctions: () => Object.fromEntries(Object.entries(functions).map(([name, at]) => [name, { path: path.join(root, at) }])),
    getAssets: () => Object.fromEntries(Object.entries(assets).map(([name, at]) => [name, { path: path.join(root, at), open: () => fs.readFileSync(path.join(root, at), 'utf8') }])),
  };
  return new Promise((done) => {
    const end = (error, value) => { try { done(answered(error, value)); } catch (thrown) { done(answered(thrown)); } };
    setTimeout(() => done([504, '']), 2000).unref();
    try {
      for (const key of Object.keys(require.cache)) if (key.startsWith(root)) delete require.cache[key];
      const { handler } = require(path.join(root, file));
      const returned = handler({ ...context, getTwilioClient: (options) => twilio(context.ACCOUNT_SID, context.AUTH_TOKEN, options) }, event, end);
      if (returned && returned.then) returned.then(undefined, end);
    } catch (error) { end(error); }
  });
}
(async () => {
  const answers = [];
  for (const one of JSON.parse(fs.readFileSync(0, 'utf8'))) answers.push(await run(one));
  process.stdout.write(JSON.stringify(answers));
  process.exit(0);
})();
