import { join } from 'node:path';
import { directorySource } from '../../../standalone/evidence/directory-source.ts';
import { recorderContract } from '../../contract/recorder.ts';
import { startRecorder, temporaryDirectory } from '../../support/evidence.ts';

recorderContract('the recorder of one machine', () => {
  const data = temporaryDirectory();
  const recorder = startRecorder(data, 'w1');
  return Promise.resolve({
    recorder,
    close: () => recorder.close(),
    evidence: () => Promise.resolve(directorySource(join(data, 'evidence'))),
  });
});
