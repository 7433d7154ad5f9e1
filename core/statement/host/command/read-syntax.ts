/**
 * The part of the shell's language that sh, dash and bash read alike and that is judged: simple commands, pipelines, lists,
 * subshells and groups, redirections, here-documents without expansions (POSIX.1-2017 XCU 2.9, 2.7). Everything else is refused:
 * what is not here is not misread.
 */
import { CommandNotRead } from './not-read.ts';
import type { Assignment, Command, CommandList, Pipeline, Redirect, RedirectOperator, Span, Tokens, Word } from './syntax.ts';
import { endsWord, readWord, type Cursor } from './words.ts';

/** Subshells, groups and `$( … )` in each other. People write two. */
const MAX_DEPTH = 8;
/** Words and operators: a longer line is a program. */
const MAX_TOKENS = 4096;

/** First words that begin something that is not read. `time` is one for bash only, where it means what the program does. */
const RESERVED = new Set('if then else elif fi do done case esac while until for select in function coproc [[ ]] } !'.split(' '));
const PLAIN_NAME = /^[\w./+-]+$/u;
const OPERATORS: readonly RedirectOperator[] = ['&>>', '&>', '<<', '>>', '>|', '<>', '<&', '>&', '<', '>'];
const DESCRIPTOR = /[0-9]+(?=[<>])/uy;
/** Digits of a descriptor that is not used. */
const MAX_DESCRIPTOR = 3;
const ASSIGNMENT = /^([A-Za-z_]\w*)=/u;

/** Reads a whole text. Throws `CommandNotRead`. */
export function readSyntax(text: string): { readonly list: CommandList; readonly tokens: Tokens } {
  const reader = new Reader(text);
  const list = reader.readText();
  return { list, tokens: { spans: reader.spans, commands: reader.commands } };
}

class Reader {
  readonly spans: Span[] = [];
  readonly commands: number[] = [];
  readonly #cursor: Cursor;
  #depth = 0;
  /** The here-document whose body begins on the next line. */
  #document: { readonly delimiter: string; readonly verbatim: boolean } | undefined;

  constructor(text: string) {
    this.#cursor = { text, at: 0, readRun: () => this.#nested(() => this.#readList()) };
  }

  readText(): CommandList {
    const list = this.#readList();
    if (this.#peek() !== undefined) throw this.#unexpected();
    if (this.#document !== undefined) throw this.#missing('the body of a here-document');
    return list;
  }

  /** Up to the end, or a closing parenthesis or brace, which stays. */
  #readList(): CommandList {
    const list: CommandList[number][] = [];
    this.#skipLines();
    while (!this.#closes()) {
      const pipeline = this.#readPipeline();
      const joint = this.#readSeparator();
      if (joint === '&&' || joint === '||') {
        this.#skipLines();
        if (this.#closes()) throw this.#missing('the command');
      }
      list.push({ pipeline, joint: joint ?? ';' });
      if (joint === undefined) break;
    }
    if (list.length === 0 && this.#depth > 0) throw this.#missing('the command');
    return list;
  }

  #readPipeline(): Pipeline {
    const negated = this.#peek() === '!' && endsWord(this.#text[this.#at + 1]) && this.#text[this.#at + 1] !== '(';
    if (negated) this.#token(1);
    const commands: Command[] = [this.#readCommand()];
    while (this.#peek() === '|' && this.#text[this.#at + 1] !== '|') {
      // `|&` is bash's own.
      if (this.#text[this.#at + 1] === '&') throw this.#unexpected();
      this.#token(1);
      this.#skipLines();
      commands.push(this.#readCommand());
    }
    return { negated, commands };
  }

  #readCommand(): Command {
    const first = this.#peek();
    const isGroup = first === '{' && /^[ \t\n]$/u.test(this.#text[this.#at + 1] ?? '');
    if (first !== '(' && !isGroup) return this.#readSimple();
    // `((` begins arithmetic in bash.
    if (first === '(' && this.#text[this.#at + 1] === '(') throw this.#unexpected();
    this.#token(1);
    const body = this.#nested(() => this.#readList());
    if (this.#peek() !== (isGroup ? '}' : ')')) throw this.#missing('the end of a group');
    this.#token(1);
    if (!endsWord(this.#text[this.#at])) throw this.#unexpected();
    const redirects: Redirect[] = [];
    for (let redirect = this.#readRedirect(); redirect !== undefined; redirect = this.#readRedirect()) redirects.push(redirect);
    return { kind: isGroup ? 'group' : 'subshell', body, redirects };
  }

  #readSimple(): Command {
    const assignments: Assignment[] = [];
    const words: Word[] = [];
    const redirects: Redirect[] = [];
    const start = (this.#skipBlank(), this.#at);
    for (;;) {
      const redirect = this.#readRedirect();
      if (redirect !== undefined) {
        redirects.push(redirect);
        continue;
      }
      const next = this.#peek();
      if (next === undefined || next === '(' || endsWord(next)) break;
      const word = this.#readWord();
      const assignment = words.length === 0 ? assignmentOf(word, this.#text) : undefined;
      if (assignment !== undefined) assignments.push(assignment);
      else words.push(word);
      if (isReserved(words.at(-1), this.#text) && words.slice(0, -1).every(isOfTime))
        throw new CommandNotRead('a compound command, which is not read', word.start);
      // What is timed is read as if the command began there, by rules of bash's own: only a plain name is what it seems to be.
      if (
        words.length > 1 &&
        !isOfTime(word) &&
        words.slice(0, -1).every(isOfTime) &&
        !PLAIN_NAME.test(this.#text.slice(word.start, word.end))
      )
        throw new CommandNotRead('a timed command that is no plain name', word.start);
    }
    if (words.length + assignments.length + redirects.length === 0) throw this.#missing('a command');
    if (words.length > 0 && words.every(isOfTime)) throw this.#missing('what is timed');
    if (words.length + assignments.length > 0) this.commands.push(start);
    return { kind: 'simple', assignments, words, redirects };
  }

  #readRedirect(): Redirect | undefined {
    this.#skipBlank();
    const descriptor = this.#isAtDescriptor() ? (/^[0-9]+/u.exec(this.#text.slice(this.#at, this.#at + MAX_DESCRIPTOR))?.[0] ?? '') : '';
    if (descriptor.length === MAX_DESCRIPTOR) throw new CommandNotRead('an unusual descriptor', this.#at);
    const operator = OPERATORS.find((each) => this.#text.startsWith(each, this.#at + descriptor.length));
    if (operator === undefined || (descriptor !== '' && operator.startsWith('&'))) return undefined;
    if (descriptor !== '') this.#token(descriptor.length);
    this.#token(operator.length);
    if (operator === '<<') return this.#beginDocument(descriptor);
    const next = this.#peek();
    // Digits before another redirection are its descriptor.
    if (next === undefined || endsWord(next) || this.#isAtDescriptor()) throw this.#missing('what a redirection names');
    return { descriptor: descriptor === '' ? undefined : Number(descriptor), operator, target: this.#readWord() };
  }

  #isAtDescriptor(): boolean {
    DESCRIPTOR.lastIndex = this.#at;
    return DESCRIPTOR.test(this.#text);
  }

  #beginDocument(descriptor: string): Redirect {
    const next = this.#peek();
    // `<<-` strips tabs; `<<<` is bash's own.
    if (next === undefined || next === '-' || endsWord(next) || this.#isAtDescriptor()) throw this.#unexpected();
    if (this.#document !== undefined || this.#depth > 0) throw new CommandNotRead('a here-document within something else', this.#at);
    const target = this.#readWord();
    const [part, ...more] = target.parts;
    if (part?.kind !== 'text' || more.length > 0 || !/^[\w.]+$/u.test(part.value))
      throw new CommandNotRead('an unusual end of a here-document', target.start);
    this.#document = { delimiter: part.value, verbatim: target.quoted };
    return { descriptor: descriptor === '' ? undefined : Number(descriptor), operator: '<<', target };
  }

  #readDocument(): void {
    if (this.#document === undefined) return;
    const { delimiter, verbatim } = this.#document;
    this.#document = undefined;
    const body = this.#at;
    for (let line = body; ;) {
      const end = this.#text.indexOf('\n', line);
      const until = end === -1 ? this.#text.length : end;
      if (this.#text.slice(line, until) === delimiter) {
        if (line > body) this.spans.push({ start: body, end: line });
        if (!verbatim && /[$`\\]/u.test(this.#text.slice(body, line)))
          throw new CommandNotRead('an expansion in a here-document: quote its end', body);
        this.#cursor.at = line;
        this.#token(delimiter.length);
        return;
      }
      if (end === -1) throw new CommandNotRead('a here-document has no end', body);
      line = end + 1;
    }
  }

  /** What ends a pipeline; undefined where the list ends. Lines that are empty after it are skipped. */
  #readSeparator(): CommandList[number]['joint'] | undefined {
    const next = this.#peek();
    const twice = next === this.#text[this.#at + 1];
    switch (next) {
      case undefined:
      case ')':
        return undefined;
      case '\n':
        this.#skipLines();
        return ';';
      case ';':
        // `;;` and, for bash, `;&` end a branch of `case`.
        if (twice || this.#text[this.#at + 1] === '&') throw this.#unexpected();
        this.#token(1);
        this.#skipLines();
        return ';';
      case '&':
      case '|':
        if (next === '|' && !twice) throw this.#unexpected();
        this.#token(twice ? 2 : 1);
        if (!twice) this.#skipLines();
        return next === '|' ? '||' : twice ? '&&' : '&';
      default:
        throw this.#unexpected();
    }
  }

  #nested<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new CommandNotRead('it is nested too deeply', this.#at);
    const found = read();
    this.#skipBlank();
    this.#depth -= 1;
    return found;
  }

  #readWord(): Word {
    const place = this.spans.length;
    const word = readWord(this.#cursor);
    this.spans.splice(place, 0, { start: word.start, end: word.end });
    if (this.spans.length > MAX_TOKENS) throw new CommandNotRead('it is too long', word.start);
    return word;
  }

  #token(length: number): void {
    this.spans.push({ start: this.#at, end: this.#at + length });
    this.#cursor.at += length;
  }

  #skipLines(): void {
    while (this.#peek() === '\n') {
      this.#cursor.at += 1;
      this.#readDocument();
    }
  }

  /** Blanks, lines that go on after a backslash, and comments: this is only called between words. */
  #skipBlank(): void {
    for (;;) {
      const character = this.#text[this.#at];
      if (character === ' ' || character === '\t') this.#cursor.at += 1;
      else if (character === '\\' && this.#text[this.#at + 1] === '\n') this.#cursor.at += 2;
      else break;
    }
    if (this.#text[this.#at] !== '#') return;
    const end = this.#text.indexOf('\n', this.#at);
    this.#cursor.at = end === -1 ? this.#text.length : end;
  }

  #peek(): string | undefined {
    this.#skipBlank();
    return this.#text[this.#at];
  }

  /** A closing brace is one where a command would begin. */
  #closes(): boolean {
    const next = this.#peek();
    return next === undefined || next === ')' || (next === '}' && this.#depth > 0);
  }

  get #text(): string {
    return this.#cursor.text;
  }

  get #at(): number {
    return this.#cursor.at;
  }

  #unexpected(): CommandNotRead {
    return new CommandNotRead(
      this.#at < this.#text.length ? `an unexpected ${JSON.stringify(this.#text[this.#at])}` : 'it ends too early',
      this.#at,
    );
  }

  #missing(what: string): CommandNotRead {
    return new CommandNotRead(`${what} is missing`, this.#at);
  }
}

/** As it is written, since `[[` is a pattern to whoever reads it as a word. */
function isReserved(word: Word | undefined, text: string): boolean {
  return word?.quoted === false && RESERVED.has(text.slice(word.start, word.end));
}

/** After `time` and its options, bash reads a command as if it began there. */
function isOfTime(word: Word): boolean {
  return ['time', '-p', '--'].includes(bareText(word) ?? '');
}

/** The text of a word without quotes or expansions. */
function bareText(word: Word | undefined): string | undefined {
  const [part, ...more] = word?.parts ?? [];
  return word?.quoted === false && more.length === 0 && part?.kind === 'text' ? part.value : undefined;
}

/** `name=value` is one where the name and the sign are not quoted. */
function assignmentOf(word: Word, text: string): Assignment | undefined {
  const name = ASSIGNMENT.exec(text.slice(word.start, word.end))?.[1];
  const [first, ...rest] = word.parts;
  if (name === undefined || first?.kind !== 'text') return undefined;
  return { name, value: { ...word, parts: [{ kind: 'text', value: first.value.slice(name.length + 1) }, ...rest] } };
}
