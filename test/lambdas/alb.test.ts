import { describe, expect, test } from 'vitest';
import { answerOf, requestOf } from '../../lambdas/console/alb.ts';

const ORIGIN = 'https://console.example';
const elb = { requestContext: { elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/console/1' } } };
const base = { ...elb, httpMethod: 'GET', path: '/', multiValueHeaders: { host: ['console.example'] }, body: '', isBase64Encoded: false };
const made = (changes: Readonly<Record<string, unknown>>): Request => requestOf({ ...base, ...changes }, ORIGIN);

describe('a request', () => {
  test('has path, query, headers and body as they were sent', async () => {
    const request = made({
      httpMethod: 'POST',
      path: '/v1/locks/demo%2Fagent-7',
      multiValueQueryStringParameters: { a: ['1', '%26'], b: [''] },
      multiValueHeaders: { host: ['other.example'], cookie: ['a=1', 'b=2'], 'content-type': ['text/plain'] },
      body: 'grüße',
    });
    expect(request.method).toBe('POST');
    expect(request.url).toBe('https://console.example/v1/locks/demo%2Fagent-7?a=1&a=%26&b=');
    expect(request.headers.get('host')).toBe('other.example');
    expect(request.headers.get('cookie')).toBe('a=1; b=2');
    expect(request.headers.get('content-length')).toBe('7');
    expect(await request.text()).toBe('grüße');
  });

  test('has the bytes of a body in base64', async () => {
    const request = made({ httpMethod: 'POST', body: Buffer.from('answer=approve').toString('base64'), isBase64Encoded: true });
    expect(await request.text()).toBe('answer=approve');
  });

  test('is as long as its body, whatever it says', () => {
    const headers = { host: ['console.example'], 'Content-Length': ['3'], 'transfer-encoding': ['chunked'] };
    const request = made({ httpMethod: 'POST', multiValueHeaders: headers, body: 'x'.repeat(70_000) });
    expect(request.headers.get('content-length')).toBe('70000');
    expect(request.headers.has('transfer-encoding')).toBe(false);
  });

  test('stays at its origin, whatever its path looks like', () => {
    for (const path of [
      '//evil.example/x',
      '/@evil.example',
      '/\\evil.example',
      '/?x=https://evil.example',
      '/#evil',
      '/../..//evil.example',
    ]) {
      const url = new URL(made({ path }).url);
      expect([path, url.origin, url.search, url.hash]).toEqual([path, ORIGIN, '', '']);
    }
  });

  test('of a health check has no host and is one', () => {
    expect(new URL(made({ path: '/healthz', multiValueHeaders: { 'user-agent': ['ELB-HealthChecker/2.0'] } }).url).pathname).toBe(
      '/healthz',
    );
  });

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['another service’s event', { requestContext: { http: {} } }],
    ['single-value headers', { multiValueHeaders: undefined, headers: { host: 'console.example' } }],
    ['two hosts', { multiValueHeaders: { host: ['console.example', 'evil.example'] } }],
    ['two hosts in two spellings', { multiValueHeaders: { host: ['console.example'], Host: ['a', 'b'] } }],
    ['a line feed in a header', { multiValueHeaders: { host: ['console.example'], origin: ['https://a\r\nset-cookie: x=1'] } }],
    ['a line feed in a header’s name', { multiValueHeaders: { 'x\r\ny': ['1'] } }],
    ['a NUL in a header', { multiValueHeaders: { x: ['a\u0000b'] } }],
    ['a header outside Latin-1', { multiValueHeaders: { x: ['\u2028'] } }],
    ['a header that is no list', { multiValueHeaders: { x: 'y' } }],
    ['a header that is no text', { multiValueHeaders: { x: [1] } }],
    ['no method', { httpMethod: undefined }],
    ['a method with a space', { httpMethod: 'GET /x' }],
    ['a method that is a tunnel', { httpMethod: 'CONNECT' }],
    ['a path without a slash', { path: '*' }],
    ['no path', { path: undefined }],
    ['a body that is no text', { httpMethod: 'POST', body: { a: 1 } }],
    ['a body beyond the load balancer’s limit', { httpMethod: 'POST', body: 'x'.repeat(1_500_001) }],
  ])('cannot be made of %s', (_, changes) => {
    expect(() => made(changes)).toThrow(expect.objectContaining({ code: 'event-refused' }));
  });

  test.each([undefined, null, 'x', 1, [], {}])('cannot be made of %j', (event) => {
    expect(() => requestOf(event, ORIGIN)).toThrow(expect.objectContaining({ code: 'event-refused' }));
  });
});

describe('an answer', () => {
  test('has each cookie as a value of its own', async () => {
    const response = new Response('hello', { status: 303, headers: { location: '/x' } });
    response.headers.append('set-cookie', 'a=1; Path=/');
    response.headers.append('set-cookie', 'b=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT');
    const answer = await answerOf(response);
    expect(answer).toMatchObject({
      statusCode: 303,
      isBase64Encoded: true,
      multiValueHeaders: { location: ['/x'], 'set-cookie': ['a=1; Path=/', 'b=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT'] },
    });
    expect(Buffer.from(answer.body, 'base64').toString()).toBe('hello');
  });

  test('that the load balancer would not take says so instead', async () => {
    const answer = await answerOf(new Response('x'.repeat(720_001), { headers: { 'set-cookie': 'a=1' } }));
    expect(answer.statusCode).toBe(503);
    expect(Buffer.from(answer.body, 'base64').toString()).toContain('too long');
    expect(JSON.stringify(await answerOf(new Response('x'.repeat(720_000)))).length).toBeLessThan(1_000_000);
  });
});
