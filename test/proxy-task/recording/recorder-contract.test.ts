import { recorderContract } from '../../contract/recorder.ts';
import { memorySource } from '../../support/evidence.ts';
import { evidenceOf, startJournalRecorder } from '../../support/journal-stores.ts';

recorderContract('the recorder with a journal', () => {
  const { recorder, journal, segments } = startJournalRecorder();
  return Promise.resolve({
    recorder,
    close: () => recorder.close(),
    evidence: () => Promise.resolve(memorySource(evidenceOf(journal.records(), segments.files))),
  });
});
