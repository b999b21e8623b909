// The server restarts at every step of the journey, under the eyes of a customer who
// notices nothing: each press afterwards is taken as if nothing had happened.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stayAtHandover, suite } from './lib/suite.mjs';

const here = suite();

test('a restart at each of the steps, certificate and way back included', here.with({ holder: 'all.steps.cert' }, async ({ journey, demo, page, context }) => {
  const user = demo.user('all.steps.cert');
  await journey.begin(demo.choosing);
  await demo.restart();
  await journey.press('電子証明書ログイン');
  await journey.at('AL-111');
  await demo.restart();
  await journey.typePassword(user);
  await journey.press('API連携');
  await journey.at('AL-200');
  await demo.restart();
  await journey.answer(user, 'AL-300');
  await demo.restart();
  await journey.chooseFunctions('AL-400', '入出金明細照会');
  await demo.restart();
  await journey.registerPINs(user, 'AL-410');
  const states = await journey.states();
  await demo.restart();
  await page.reload();
  await journey.at('AL-410');
  assert.deepEqual(await journey.states(), states);
  await journey.confirm();
  await demo.restart();
  const handover = await stayAtHandover(context);
  await journey.allow();
  await journey.at('AL-510');
  const wayBack = () => journey.button(`${demo.choosing.name}へ戻る`).getAttribute('href');
  const way = await wayBack();
  await demo.restart();
  await page.reload();
  await journey.at('AL-510');
  assert.equal(await wayBack(), way);
  await handover.leave(2);
  await journey.press(`${demo.choosing.name}へ戻る`);
  await journey.seesBalances(...user.accounts);
}));
