// A partner's first message, sent by the test itself: for what the demo's own
// partners never do, such as a link that was used up or asks for too much.
import { createPrivateKey, createHash, randomUUID, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Sends an HTTPS request to the demo and returns {status, headers, body}. */
export function send(demo, url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, ca: readFileSync(demo.ca), lookup: loopback }, (response) => {
      let text = '';
      response.on('data', (part) => { text += part; });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const loopback = (name, options, callback) => (options.all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4));

/** The demo's first partner, with its own key. */
export class Pusher {
  constructor(demo) {
    this.demo = demo;
    const folder = join(demo.data, 'partners');
    this.client = JSON.parse(readFileSync(join(folder, 'mihon-kaikei.json'), 'utf8')).client;
    this.key = createPrivateKey(readFileSync(join(folder, 'mihon-kaikei-signing.pem')));
  }

  assertion() {
    const now = Math.floor(Date.now() / 1000);
    const { client_id: id, jwks } = this.client;
    const signed = `${encode({ alg: 'ES256', kid: jwks.keys[0].kid })}.${encode({ iss: id, sub: id, aud: this.demo.issuer, jti: randomUUID(), iat: now, exp: now + 50 })}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), { key: this.key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }

  /** Pushes a request and returns the answer; `change` replaces its parameters. */
  async push(change = {}) {
    const metadata = JSON.parse((await send(this.demo, `${this.demo.issuer}/.well-known/oauth-authorization-server`)).body);
    const parameters = {
      client_id: this.client.client_id,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: this.assertion(),
      response_type: 'code',
      redirect_uri: this.client.redirect_uris[0],
      state: randomBytes(12).toString('base64url'),
      code_challenge: createHash('sha256').update(randomBytes(32)).digest('base64url'),
      code_challenge_method: 'S256',
      authorization_details: JSON.stringify([{ type: 'corporate_account_information', actions: ['balance', 'transactions', 'deposits'] }]),
      ...change,
    };
    const answer = await send(this.demo, metadata.pushed_authorization_request_endpoint, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(parameters).toString(),
    });
    return { ...answer, parameters, metadata };
  }

  /** Pushes a request and returns the address at which the customer's journey begins. */
  async link(change) {
    const { status, body, metadata } = await this.push(change);
    if (status !== 201) throw new Error(`the bank refused the pushed request: ${status} ${body}`);
    const { request_uri: uri } = JSON.parse(body);
    return this.at(metadata, uri);
  }

  at(metadata, uri) {
    return `${metadata.authorization_endpoint}?${new URLSearchParams({ client_id: this.client.client_id, request_uri: uri })}`;
  }
}
