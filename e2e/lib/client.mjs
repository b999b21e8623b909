// What a partner gives its client library: its own keys and certificate, as they lie in
// the demo's data directory, and an HTTP client that presents them.
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { stayAtHandover } from './suite.mjs';

const loopback = (name, options, callback) => (options.all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4));

/** One of the demo's partners, `id` as the bank's staff registered it. */
export class Partner {
  constructor(demo, id) {
    this.demo = demo;
    this.folder = join(demo.data, 'partners');
    this.id = id;
    this.metadata = JSON.parse(readFileSync(join(this.folder, `${id}.json`), 'utf8')).client;
  }

  get clientId() { return this.metadata.client_id; }
  get callback() { return this.metadata.redirect_uris[0]; }
  get mutualTLS() { return this.metadata.token_endpoint_auth_method === 'tls_client_auth'; }

  file(suffix) { return readFileSync(join(this.folder, `${this.id}${suffix}`)); }

  /** A private key for the Web Cryptography API, as both libraries want it. */
  async key(name) {
    const pkcs8 = createPrivateKey(this.file(`-${name}.pem`)).export({ type: 'pkcs8', format: 'der' });
    return crypto.subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  }

  get kid() { return this.metadata.jwks.keys[0].kid; }

  /** `fetch` that trusts the demo's authority alone and shows the partner's certificate. */
  get fetch() {
    this.agent ??= new Agent({
      connect: {
        ca: readFileSync(this.demo.ca), lookup: loopback,
        ...(this.mutualTLS && { cert: this.file('-tls-certificate.pem'), key: this.file('-tls.pem') }),
      },
    });
    return (url, options) => fetch(url, { ...options, dispatcher: this.agent });
  }

  async close() { await this.agent?.close(); }
}

/**
 * Sends a customer through the journey that begins at `url` and returns the address that
 * the bank leads back to, which the demo's partner never sees.
 */
export async function walk({ journey, demo, page, context }, partner, url) {
  const led = new Promise((resolve) => page.on('request', (request) => {
    if (request.isNavigationRequest() && request.url().startsWith(partner.callback)) resolve(new URL(request.url()));
  }));
  await stayAtHandover(context);
  await journey.beginAt(url.href);
  const user = demo.user('ok.pw');
  await journey.sendLogin(user);
  // Whether PINs are there depends on the linkages before: the last one takes them with it.
  for (;;) {
    await journey.page.waitForLoadState();
    const screen = await journey.screen();
    if (screen === 'AL-500') break;
    if (screen === 'AL-300') await journey.press('次へ');
    else if (screen === 'AL-400') await journey.registerPINs(user, 'AL-410');
    else if (screen === 'AL-410') await journey.press('確定');
    else throw new Error(`the journey came to ${screen}`);
  }
  await journey.allow();
  return led;
}
