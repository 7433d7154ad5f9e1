/** Sends each checkpoint to whoever keeps them outside: subscribers of a topic, best in another account. */
import { PublishCommand, type SNSClient } from '@aws-sdk/client-sns';
import type { CheckpointHolder } from '../seal/ports.ts';

export class SnsCheckpointHolder implements CheckpointHolder {
  readonly #sns: SNSClient;
  readonly #topicArn: string;

  constructor(sns: SNSClient, topicArn: string) {
    this.#sns = sns;
    this.#topicArn = topicArn;
  }

  async keep(path: string, note: string): Promise<void> {
    await this.#sns.send(new PublishCommand({ TopicArn: this.#topicArn, Subject: `Sallyport ${path}`.slice(0, 100), Message: note }));
  }
}
