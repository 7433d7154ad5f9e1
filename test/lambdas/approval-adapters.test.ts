// What Step Functions, SNS and Slack answer, and what is made of it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  ExecutionAlreadyExists,
  InvalidToken,
  SendTaskSuccessCommand,
  SFNClient,
  StartExecutionCommand,
  TaskDoesNotExist,
  TaskTimedOut,
} from '@aws-sdk/client-sfn';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestKeyOf } from '../../core/approval/digest-key.ts';
import { invokeNotifyApprovers } from '../../lambdas/adapters/invoke-notify-approvers.ts';
import { completeTask } from '../../lambdas/adapters/sfn-complete-task.ts';
import { startWorkflow } from '../../lambdas/adapters/sfn-start-workflow.ts';
import { slackChannel } from '../../lambdas/adapters/slack-channel.ts';
import { snsChannel } from '../../lambdas/adapters/sns-channel.ts';
import { handler as close } from '../../lambdas/close-approval/handler.ts';
import { handler as decide } from '../../lambdas/decide-approval/handler.ts';
import { handler as notify } from '../../lambdas/notify-approvers/handler.ts';
import type { NoticeText } from '../../lambdas/notify-approvers/ports.ts';
import { handler as request } from '../../lambdas/request-approval/handler.ts';
import { handler as slack } from '../../lambdas/slack-callback/handler.ts';

const ARN = 'arn:aws:states:us-east-1:111111111111:stateMachine:approvals';
const region = 'us-east-1';
const said = { message: 'm', $metadata: {} };
const TEXT: NoticeText = {
  subject: 'Approval needed: a & <b>',
  lines: ['update bank.public.accounts', '<!channel>'],
  url: 'https://x/approvals/ap_1',
};

describe('a workflow', () => {
  const sfn = mockClient(SFNClient);
  beforeEach(() => void sfn.reset());
  const start = startWorkflow(ARN, new SFNClient({ region }));
  const complete = completeTask(new SFNClient({ region }));

  test('is named by its approval, and given nothing but its id', async () => {
    sfn.on(StartExecutionCommand).resolves({});
    expect(await start('ap_1')).toBe('started');
    expect(sfn.commandCalls(StartExecutionCommand)[0]?.args[0].input).toEqual({
      stateMachineArn: ARN,
      name: 'ap_1',
      input: '{"id":"ap_1"}',
    });
  });

  test('that runs already is not started again, and any other failure is told', async () => {
    sfn.on(StartExecutionCommand).rejects(new ExecutionAlreadyExists(said));
    expect(await start('ap_1')).toBe('exists');
    sfn.on(StartExecutionCommand).rejects(new Error('ThrottlingException'));
    await expect(start('ap_1')).rejects.toThrow('Throttling');
  });

  test.each([new TaskTimedOut(said), new TaskDoesNotExist(said), new InvalidToken(said)])(
    'that waits no more is complete (%s)',
    async (error) => {
      sfn.on(SendTaskSuccessCommand).rejects(error);
      await complete('token', 'ap_1');
    },
  );

  test('that cannot be told is told again by others', async () => {
    sfn.on(SendTaskSuccessCommand).rejects(new Error('ThrottlingException'));
    await expect(complete('token', 'ap_1')).rejects.toThrow('Throttling');
  });
});

test('people are told again by the function that tells them, without waiting for it', async () => {
  const lambda = mockClient(LambdaClient);
  lambda.on(InvokeCommand).resolves({});
  await invokeNotifyApprovers('notify', new LambdaClient({ region }))('ap_1');
  const input = lambda.commandCalls(InvokeCommand)[0]?.args[0].input;
  expect(input).toMatchObject({ FunctionName: 'notify', InvocationType: 'Event' });
  expect(input?.Payload instanceof Uint8Array && Buffer.from(input.Payload).toString()).toBe('{"step":"notify","id":"ap_1"}');
});

test('e-mail has the effects first, and a link that decides nothing', async () => {
  const sns = mockClient(SNSClient);
  sns.on(PublishCommand).resolves({});
  await snsChannel('arn:topic', new SNSClient({ region })).send(TEXT);
  const { TopicArn, Subject, Message } = sns.commandCalls(PublishCommand)[0]?.args[0].input ?? {};
  expect([TopicArn, Subject]).toEqual(['arn:topic', TEXT.subject]);
  expect(Message?.startsWith('update bank.public.accounts\n')).toBe(true);
  expect(Message).toContain(`Read and decide: ${TEXT.url}\n`);
});

describe('a message in Slack', () => {
  let server: Server;
  let url = '';
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let received: { readonly authorization: string | undefined; readonly body: string };

  beforeEach(async () => {
    answer = (_, response) => void response.end('{"ok":true}');
    server = createServer((incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        received = { authorization: incoming.headers.authorization, body: Buffer.concat(chunks).toString() };
        answer(incoming, response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}/` : '';
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const send = () => slackChannel(async () => ({ botToken: 'xoxb-17', channel: 'C1' }), url).send(TEXT);

  test('is plain text: what an agent wrote mentions nobody and links nowhere', async () => {
    await send();
    expect(received.authorization).toBe('Bearer xoxb-17');
    const message: { blocks: { text?: { type: string } }[]; text: string } = JSON.parse(received.body);
    expect(message.blocks.flatMap(({ text }) => text?.type ?? [])).toEqual(['plain_text', 'plain_text']);
    expect(received.body).not.toContain('"mrkdwn":true');
    expect(message.text).toBe('Approval needed: a &amp; &lt;b&gt;');
    expect(received.body).toContain(`"url":"${TEXT.url}"`);
  });

  test.each<[string, (response: ServerResponse) => unknown]>([
    ['refuses it', (response) => response.end('{"ok":false,"error":"channel_not_found"}')],
    ['is down', (response) => response.writeHead(503).end()],
    ['sends elsewhere', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    ['answers nonsense', (response) => response.end('<html>')],
  ])('fails when Slack %s, without a word of the token', async (_, reply) => {
    answer = (_request, response) => void reply(response);
    const error = await send().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).not.toContain('xoxb');
  });
});

describe('events that are none are refused before anything is read', () => {
  const ballot = { answer: 'approve', reason: '', channel: 'page', idToken: 't' };

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['another id', { id: '../bundle', ballot }],
    ['no ballot', { id: 'ap_1' }],
    ['another answer', { id: 'ap_1', ballot: { ...ballot, answer: 'approved' } }],
    ['an answer that says it came from Slack', { id: 'ap_1', ballot: { ...ballot, channel: 'slack' } }],
    ['a reason that is too long', { id: 'ap_1', ballot: { ...ballot, reason: 'r'.repeat(1_001) } }],
    ['a token that is too long', { id: 'ap_1', ballot: { ...ballot, idToken: 't'.repeat(16_385) } }],
  ])('decide-approval: %s', async (_, event) => {
    await expect(decide(event)).rejects.toMatchObject({ code: 'event-refused' });
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['another step', { step: 'tell', id: 'ap_1' }],
    ['another id', { step: 'notify', id: 'digest#1' }],
  ])('notify-approvers: %s', async (_, event) => {
    await expect(notify(event)).rejects.toMatchObject({ code: 'event-refused' });
  });

  test.each<[string, unknown]>([
    ['another cause', { id: 'ap_1', cause: 'bored' }],
    ['another id', { id: 'due#1', cause: 'timeout' }],
  ])('close-approval: %s', async (_, event) => {
    await expect(close(event)).rejects.toMatchObject({ code: 'event-refused' });
  });

  test('a function without its settings says which is missing, and Slack gets nothing', async () => {
    await expect(request({})).rejects.toMatchObject({ code: 'setting-missing' });
    await expect(decide({ id: 'ap_1', ballot })).rejects.toMatchObject({ code: 'setting-missing' });
    expect(await slack({ headers: {}, body: 'a' })).toMatchObject({ statusCode: 503, body: '' });
  });
});

test('the key for digests is taken from the secret, or refused without a word of it', () => {
  const key = Buffer.alloc(32, 7);
  expect(digestKeyOf(JSON.stringify({ digest: key.toString('base64') }))).toEqual(key);
  for (const secret of ['s3cret', '{"digest":"czNjcmV0"}', '{"digest":7}', '[]']) {
    expect(() => digestKeyOf(secret)).toThrow(expect.objectContaining({ message: expect.not.stringMatching(/s3cret|czNj/) }));
  }
});
