import { describe, expect, test } from 'vitest';
import { NameBook } from '../../../proxy-task/postgres/prepared.ts';
import { bookChange, SessionMachine, type Owed, type Run } from '../../../proxy-task/postgres/session-machine.ts';

type Machine = SessionMachine<Run, string, string>;
type Entry = Owed<Run, string, string>;

const run = (moves = false): Run => ({ changes: [], movesTransaction: moves });
const noChange = { confirm: () => undefined, drop: () => undefined };
const code = (letter: string): number => letter.charCodeAt(0);

function machine(...sent: Entry[]): Machine {
  const made = new SessionMachine<Run, string, string>();
  for (const entry of sent) made.sent(entry);
  return made;
}

const sync: Entry = { kind: 'sync', own: false };
const parse: Entry = { kind: 'parse', change: noChange };
const bind = (of: Run): Entry => ({ kind: 'bind', change: noChange, run: of });
const execute = (of: Run): Entry => ({ kind: 'execute', run: of });
const query = (...runs: Run[]): Entry => ({ kind: 'query', runs, at: 0, failed: false, change: noChange });
const refusedBind: Entry = { kind: 'refusedBind', refusal: 'no' };

describe('what the target owes', () => {
  test('each answer is held against the message that asked for it', () => {
    const r = run();
    const m = machine(parse, bind(r), execute(r), sync);
    expect(m.receive(code('1')).do).toBe('forward');
    expect(m.receive(code('2')).do).toBe('forward');
    expect(m.receive(code('D'))).toEqual({ do: 'rows', run: r });
    expect(m.receive(code('C'))).toEqual({ do: 'completed', run: r, how: 'done' });
    expect(m.receive(code('Z'), 'T')).toEqual({ do: 'ready', own: false });
    expect(m.status).toBe('T');
    expect(m.drained).toBe(true);
  });

  test('an answer out of turn is a violation', () => {
    expect(machine(parse).receive(code('2')).do).toBe('violation');
    expect(machine(execute(run())).receive(code('T')).do).toBe('violation');
    expect(machine(sync).receive(code('D')).do).toBe('violation');
    expect(machine().receive(code('C')).do).toBe('violation');
    expect(machine(query(run())).receive(code('Z'), 'I').do).toBe('violation');
  });

  test('every type of message in every state gives a reaction, and none throws', () => {
    const states: (() => Machine)[] = [
      () => machine(),
      () => machine(parse),
      () => machine(bind(run())),
      () => machine(execute(run())),
      () => machine(query(run(), run())),
      () => machine(query()),
      () => machine(sync),
      () => machine({ kind: 'sync', own: true }),
      () => machine(refusedBind),
      () => machine({ kind: 'refusedQuery', refusal: 'no', failed: false }),
      () => machine({ kind: 'describe', own: false, statement: true, subject: 's' }),
      () => machine({ kind: 'describe', own: true, statement: false, subject: 's' }),
      () => machine({ kind: 'own', step: 'parse' }),
      () => machine({ kind: 'own', step: 'execute' }),
      () => machine({ kind: 'close', change: noChange }),
    ];
    for (const state of states) {
      for (let type = 0x20; type < 0x7f; type += 1) {
        const m = state();
        const reaction = m.receive(type, type === code('Z') ? 'I' : undefined);
        expect(typeof reaction.do).toBe('string');
      }
    }
  });

  test('after an error everything up to the next Sync counts as skipped, as in PostgreSQL', () => {
    const dropped: string[] = [];
    const change = (name: string) => ({ confirm: () => dropped.push(`confirmed ${name}`), drop: () => dropped.push(name) });
    const r = run();
    const m = machine({ kind: 'parse', change: change('first') }, { kind: 'bind', change: change('portal'), run: r }, execute(r));
    m.sent({ kind: 'close', change: change('close') });
    m.sent(sync);
    m.sent({ kind: 'parse', change: change('next') });
    expect(m.receive(code('E'))).toEqual({ do: 'failed', run: undefined, own: false });
    expect(dropped).toEqual(['first', 'portal', 'close']);
    expect(m.receive(code('Z'), 'I').do).toBe('ready');
    expect(m.receive(code('1')).do).toBe('forward');
    expect(dropped).toContain('confirmed next');
  });

  test('an error without a Sync on its way makes the client skip to its own', () => {
    const m = machine(parse, bind(run()));
    m.receive(code('E'));
    expect(m.skipping).toBe(true);
    expect(m.drained).toBe(true);
    m.synced();
    m.sent(sync);
    expect(m.receive(code('Z'), 'I').do).toBe('ready');
  });

  test('the error of a refused Bind is replaced by the refusal, in its place in the order', () => {
    const r = run();
    const m = machine(parse, bind(r), execute(r), refusedBind, sync);
    for (const letter of ['1', '2', 'C']) m.receive(code(letter));
    expect(m.receive(code('E'))).toEqual({ do: 'refused', refusal: 'no' });
    expect(m.receive(code('Z'), 'I').do).toBe('ready');
  });

  test('a refused Bind that is skipped after an earlier error tells nobody', () => {
    const r = run();
    const m = machine(bind(r), refusedBind, sync);
    expect(m.receive(code('E')).do).toBe('failed');
    expect(m.receive(code('Z'), 'E').do).toBe('ready');
    expect(m.status).toBe('E');
  });

  test('statements of one simple Query complete one after the other, and an error ends all that follow', () => {
    const [a, b, c] = [run(), run(), run()];
    const m = machine(query(a, b, c));
    expect(m.receive(code('C'))).toMatchObject({ run: a });
    expect(m.receive(code('T'))).toEqual({ do: 'runDescribed', run: b });
    expect(m.receive(code('E'))).toMatchObject({ do: 'failed', run: b });
    expect(m.receive(code('C')).do).toBe('violation');
    expect(m.receive(code('Z'), 'I').do).toBe('ready');
  });

  test('what runs is known from sending to its end, also when it was never executed', () => {
    const r = run();
    const m = machine(parse, bind(r));
    expect(m.unfinished()).toEqual([r]);
    m.sent(execute(r));
    expect(m.unfinished()).toEqual([r]);
    expect(m.running).toBe(r);
  });

  test('the transaction status is open while a statement that moves it is on its way', () => {
    expect(machine(query(run(true))).transactionPending).toBe(true);
    expect(machine(query(run(false))).transactionPending).toBe(false);
  });

  test('COPY takes data only between its response and its end', () => {
    const r = run();
    const m = machine(query(r));
    expect(m.copyIn).toBeUndefined();
    m.receive(code('G'));
    expect(m.copyIn).toBe(r);
    m.receive(code('E'));
    expect(m.copyIn).toBeUndefined();
  });
});

describe('names', () => {
  test('a Parse on a taken name that fails leaves the old body in force', () => {
    const book = new NameBook<string>();
    book.confirm(book.propose({ kind: 'set', name: 'a', body: 'old', segment: 0 }));
    const change = book.propose({ kind: 'set', name: 'a', body: 'new', segment: 1 });
    expect(book.lookup('a', 1)).toEqual({ kind: 'known', body: 'new' });
    expect(book.lookup('a', 2)).toEqual({ kind: 'unconfirmed' });
    book.drop(change);
    expect(book.lookup('a', 2)).toEqual({ kind: 'known', body: 'old' });
  });

  test('a Close that the server skipped leaves the name as it was', () => {
    const book = new NameBook<string>();
    book.confirm(book.propose({ kind: 'set', name: 'a', body: 'old', segment: 0 }));
    const change = book.propose({ kind: 'delete', name: 'a', segment: 1 });
    expect(book.lookup('a', 1)).toEqual({ kind: 'unknown' });
    book.drop(change);
    expect(book.lookup('a', 1)).toEqual({ kind: 'known', body: 'old' });
  });

  test('DEALLOCATE ALL clears what is confirmed when it is confirmed, not before', () => {
    const book = new NameBook<string>();
    book.confirm(book.propose({ kind: 'set', name: 'a', body: 'old', segment: 0 }));
    const clear = bookChange(book, book.propose({ kind: 'clear', segment: 1 }));
    expect(book.lookup('a', 2)).toEqual({ kind: 'unconfirmed' });
    expect(book.lookup('a', 1)).toEqual({ kind: 'unknown' });
    clear.confirm();
    expect(book.lookup('a', 2)).toEqual({ kind: 'unknown' });
  });
});

describe('before ReadyForQuery says so', () => {
  test('what succeeds in a failed transaction has ended it', () => {
    const r = run(true);
    const m = machine(query(run()), execute(r));
    m.receive(code('E'));
    m.receive(code('Z'), 'E');
    expect(m.status).toBe('E');
    m.receive(code('C'));
    expect(m.status).toBe('T');
  });

  test('clearing all names leaves the unnamed one, now and once it is confirmed', () => {
    const book = new NameBook<string>();
    for (const name of ['', 'named']) book.confirm(book.propose({ kind: 'set', name, body: `body of ${name}`, segment: 0 }));
    const cleared = book.propose({ kind: 'clear', segment: 0 });
    expect([book.lookup('', 0).kind, book.lookup('named', 0).kind]).toEqual(['known', 'unknown']);
    book.confirm(cleared);
    expect([book.lookup('', 1).kind, book.lookup('named', 1).kind]).toEqual(['known', 'unknown']);
  });
});
