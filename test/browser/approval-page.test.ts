// A person in a real browser: reads the request, signs in, and decides, or is told why not.
import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

/** Debian's; another one by CHROMIUM. */
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const QUIET = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let postgres: TestPostgres;
let gateway: TestGateway;
let browser: Browser;
const complaints: string[] = [];

beforeAll(async () => {
  if (!existsSync(CHROMIUM))
    throw new Error(`${CHROMIUM} is not there: install Debian's package chromium, or name another one by CHROMIUM`);
  postgres = await startPostgres();
  await postgres.script('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 10) g;');
  gateway = await startGateway(postgres);
  // The sandbox of Chromium does not run as root.
  browser = await chromium.launch({ executablePath: CHROMIUM, args: process.getuid?.() === 0 ? [...QUIET, '--no-sandbox'] : QUIET });
});

afterAll(async () => {
  await browser.close();
  await gateway.stop();
  await postgres.stop();
});

/** A browser of its own at the page of the request that waits. */
async function visitor(id: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${gateway.api}/approvals/${id}`);
  return page;
}

async function signIn(page: Page, person: string): Promise<void> {
  await page.getByText('Sign in to decide').click();
  await page.getByText(person).click();
  await page.getByText(`You are ${person}`).waitFor();
}

/** A statement that waits, and what becomes of it. */
async function held(sql: string): Promise<{ readonly id: string; readonly outcome: Promise<unknown> }> {
  const client = await gateway.connect({
    groups: ['analysts'],
    onBehalfOf: 'alice@bank.example',
    options: '-c sallyport.reason=<img/src=x>',
  });
  const outcome = client.query(sql).then(
    (result) => result.rowCount,
    (error: unknown) => error,
  );
  return { id: (await gateway.pending()).id, outcome };
}

describe('the page of an approval', () => {
  test('lets a database administrator approve, and the statement runs once', async () => {
    const { id, outcome } = await held('UPDATE t SET v = 1 WHERE id = 1');
    const page = await visitor(id);
    expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0);
    const text = await page.innerText('body');
    expect(text).toContain('UPDATE t SET v = 1 WHERE id = 1');
    expect(text).toContain('<img/src=x>');
    await signIn(page, 'dana@bank.example');
    await page.locator('[name=reason]').fill('checked with the branch');
    await page.getByRole('button', { name: 'Approve' }).click();
    expect(await outcome).toBe(1);
    // The waiting session may have used the approval before the page that answers the click was made.
    await page.goto(`${gateway.api}/approvals/${id}`);
    expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0);
    const after = await page.innerText('body');
    expect(after).not.toContain('Waiting for an answer');
    expect(after).toContain('checked with the branch');
    expect(await postgres.query('SELECT v FROM t WHERE id = 1')).toEqual([{ v: 1 }]);
  });

  test('tells the owner and the human why they may not, and a rejection reaches the agent', async () => {
    const { id, outcome } = await held('UPDATE t SET v = 2 WHERE id = 2');
    for (const [person, why] of [
      ['owen@bank.example', 'you own the agent'],
      ['alice@bank.example', 'You may not decide this'],
    ] as const) {
      const page = await visitor(id);
      await signIn(page, person);
      expect(await page.innerText('body')).toContain(why);
      expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0);
    }
    const page = await visitor(id);
    await signIn(page, 'erin@bank.example');
    await page.locator('[name=reason]').fill('not this quarter');
    await page.getByRole('button', { name: 'Reject' }).click();
    expect(await outcome).toMatchObject({ code: 'ZG003', message: expect.stringContaining('not this quarter') });
  });

  test('nothing in it was refused by the browser', () => {
    expect(complaints).toEqual([]);
  });
});
