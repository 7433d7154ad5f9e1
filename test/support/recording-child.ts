/** Records statements until it is killed; prints the number of each one whose intent was acknowledged. */
import { writeSync } from 'node:fs';
import { opened, recordStatement, startRecorder } from './evidence.ts';

const [data = '', writer = ''] = process.argv.slice(2);
const recorder = startRecorder(data, writer);
const session = recorder.open(`of-${writer}`);
session.append(opened(`of-${writer}`));
const next = (statement: number): void => {
  recordStatement(session, statement, () => undefined);
  session.flush(statement % 5 === 0 ? 'durable' : 'written', (error) => {
    if (error === undefined) writeSync(1, `${statement}\n`);
    setImmediate(next, statement + 1);
  });
};
next(1);
