// Two client libraries of the field, neither of them changed or worked around, go the
// whole way with either sender constraint: pushed request, journey, tokens, account API,
// refresh, user info, revocation.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import { Partner, walk } from './lib/client.mjs';
import { suite } from './lib/suite.mjs';

const here = suite();
const opened = [];
after(async () => { for (const partner of opened) await partner.close(); });

const asked = { scope: 'openid account.balance', actions: ['balance'] };
const ways = { 'private_key_jwt and DPoP': 'mihon-kaikei', 'mutual TLS': 'tsuzumi-shikin' };

function open(demo, id) {
  const partner = new Partner(demo, id);
  opened.push(partner);
  return partner;
}

/** The API's answers about every account of ok.pw. */
async function balances(demo, get) {
  const api = demo.manifest.institutions[0].api;
  const { accounts } = await (await get(new URL(`${api}/open-api/v1/accounts`))).json();
  assert.equal(accounts.length, demo.user('ok.pw').accounts.length);
  for (const account of accounts) {
    const answer = await get(new URL(`${api}/open-api/v1/accounts/${account.accountId}/balance`));
    assert.equal(answer.status, 200);
    assert.equal(typeof (await answer.json()).balance, 'string');
  }
  return accounts.length;
}

for (const [way, id] of Object.entries(ways)) {
  test(`openid-client with ${way}`, here.with({}, async ({ journey, demo, page, context }) => {
    const partner = open(demo, id);
    const method = partner.mutualTLS ? client.TlsClientAuth() : client.PrivateKeyJwt({ key: await partner.key('signing'), kid: partner.kid });
    const metadata = { id_token_signed_response_alg: 'ES256', use_mtls_endpoint_aliases: partner.mutualTLS };
    const config = await client.discovery(new URL(demo.issuer), partner.clientId, metadata, method, { [client.customFetch]: partner.fetch });
    const DPoP = partner.mutualTLS ? undefined : client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedState = client.randomState();
    const expectedNonce = client.randomNonce();
    const url = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: partner.callback, scope: asked.scope, state: expectedState, nonce: expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
    }, { DPoP });

    const back = await walk({ journey, demo, page, context }, partner, url);
    const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }, undefined, { DPoP });
    assert.equal(tokens.claims().nonce, expectedNonce);
    const get = (token) => (at) => client.fetchProtectedResource(config, token, at, 'GET', undefined, undefined, { DPoP });
    assert.ok(await balances(demo, get(tokens.access_token)) > 0);

    const fresh = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    assert.notEqual(fresh.access_token, tokens.access_token);
    await balances(demo, get(fresh.access_token));
    const person = await client.fetchUserInfo(config, fresh.access_token, tokens.claims().sub, { DPoP });
    assert.equal(person.sub, tokens.claims().sub);

    await client.tokenRevocation(config, tokens.refresh_token);
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }), { error: 'invalid_grant' });
    await assert.rejects(get(fresh.access_token)(new URL(`${demo.manifest.institutions[0].api}/open-api/v1/accounts`)), { status: 401 });
  }));

  test(`oauth4webapi with ${way}`, here.with({}, async ({ journey, demo, page, context }) => {
    const partner = open(demo, id);
    const issuer = new URL(demo.issuer);
    const wire = { [oauth.customFetch]: partner.fetch };
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...wire, algorithm: 'oauth2' }));
    const me = { client_id: partner.clientId, id_token_signed_response_alg: 'ES256', use_mtls_endpoint_aliases: partner.mutualTLS };
    const method = partner.mutualTLS ? oauth.TlsClientAuth() : oauth.PrivateKeyJwt({ key: await partner.key('signing'), kid: partner.kid });
    const DPoP = partner.mutualTLS ? undefined : oauth.DPoP(me, await oauth.generateKeyPair('ES256'));
    const options = { ...wire, DPoP };
    // The bank's first answer to a proof is its nonce; the library says so and asks again.
    const nonced = async (send) => {
      try {
        return await send();
      } catch (error) {
        if (!oauth.isDPoPNonceError(error)) throw error;
        return send();
      }
    };
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const { request_uri } = await nonced(async () => oauth.processPushedAuthorizationResponse(as, me, await oauth.pushedAuthorizationRequest(as, me, method, {
      response_type: 'code', redirect_uri: partner.callback, state,
      authorization_details: JSON.stringify([{ type: 'corporate_account_information', actions: asked.actions }]),
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    }, options)));
    const url = new URL(as.authorization_endpoint);
    url.search = new URLSearchParams({ client_id: me.client_id, request_uri });

    const back = oauth.validateAuthResponse(as, me, await walk({ journey, demo, page, context }, partner, url), state);
    const tokens = await nonced(async () => oauth.processAuthorizationCodeResponse(as, me, await oauth.authorizationCodeGrantRequest(as, me, method, back, partner.callback, verifier, options)));
    assert.equal(tokens.authorization_details[0].type, 'corporate_account_information');
    assert.ok(asked.actions.every((one) => tokens.authorization_details[0].actions.includes(one)));
    const get = (token) => (at) => nonced(() => oauth.protectedResourceRequest(token, 'GET', at, undefined, undefined, options));
    await balances(demo, get(tokens.access_token));

    const fresh = await nonced(async () => oauth.processRefreshTokenResponse(as, me, await oauth.refreshTokenGrantRequest(as, me, method, tokens.refresh_token, options)));
    await balances(demo, get(fresh.access_token));
    const refused = await get(fresh.access_token)(new URL(`${demo.manifest.institutions[0].api}/open-api/v1/accounts/acc_unknown/balance`));
    assert.equal(refused.status, 404);

    await oauth.processRevocationResponse(await oauth.revocationRequest(as, me, method, tokens.refresh_token, wire));
    await assert.rejects(nonced(async () => oauth.processRefreshTokenResponse(as, me, await oauth.refreshTokenGrantRequest(as, me, method, tokens.refresh_token, options))), { error: 'invalid_grant' });
  }));
}
