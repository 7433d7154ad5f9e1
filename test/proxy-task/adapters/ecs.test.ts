import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ecsTaskId } from '../../../proxy-task/adapters/ecs-metadata.ts';
import { EcsProtection } from '../../../proxy-task/adapters/ecs-protection.ts';

let server: Server;
let url: string;
let asked: string[];
let answer: { readonly status: number; readonly body: string };
beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (bytes: Buffer) => (body += bytes.toString()));
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${body}`);
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A TCP server that listens has an address with a port.
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v4/abc`;
});
afterEach(() => server.close());

describe('scale-in protection', () => {
  test('is set and lifted as the agent of ECS understands it', async () => {
    answer = { status: 200, body: '{"protection":{"ProtectionEnabled":true,"TaskArn":"arn"}}' };
    await new EcsProtection(url).protect(30);
    await new EcsProtection(url).release();
    expect(asked).toEqual([
      'PUT /v4/abc/task-protection/v1/state {"ProtectionEnabled":true,"ExpiresInMinutes":30}',
      'PUT /v4/abc/task-protection/v1/state {"ProtectionEnabled":false}',
    ]);
  });

  test.each([
    ['a failure that comes as a success', { status: 200, body: '{"failure":{"Reason":"DEPLOYMENT_BLOCKED"}}' }],
    ['a refusal', { status: 400, body: '{"error":{"Code":"AccessDeniedException"}}' }],
    ['no JSON', { status: 502, body: '<html>' }],
  ])('is not believed after %s', async (_what, given) => {
    answer = given;
    await expect(new EcsProtection(url).protect(30)).rejects.toMatchObject({ code: 'state-unavailable' });
  });

  test('of an agent that is down is an error, not a hang', async () => {
    await new Promise((resolve) => server.close(resolve));
    await expect(new EcsProtection(url).protect(30)).rejects.toMatchObject({ code: 'state-unavailable' });
  });
});

describe('the id of the task', () => {
  test('is the last part of its ARN', async () => {
    answer = { status: 200, body: '{"TaskARN":"arn:aws:ecs:eu-central-1:111122223333:task/sallyport/158d1c8083dd49d6b527399fd6414f5c"}' };
    expect(await ecsTaskId(url)).toBe('158d1c8083dd49d6b527399fd6414f5c');
    expect(asked).toEqual(['GET /v4/abc/task ']);
  });

  test.each(['{}', '{"TaskARN":"arn:aws:ecs:x:1:task/a b"}', '[]', 'no'])('is not made up from %s', async (body) => {
    answer = { status: 200, body };
    await expect(ecsTaskId(url)).rejects.toMatchObject({ code: 'task-unknown' });
  });
});
