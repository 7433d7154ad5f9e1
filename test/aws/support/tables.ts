/** The state, buckets, keys and secrets of one instance in the emulator, and the environment that names them. */
import { deployInstance } from './instance.ts';

export type InstanceEnvironment = Readonly<Record<string, string>>;

/** Makes what the synthesized templates make; the environment has every variable that some deployable is given. Call `useMoto` first. */
export async function makeInstance(): Promise<InstanceEnvironment> {
  return (await deployInstance()).all;
}
