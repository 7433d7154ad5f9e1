/** Every program that is understood. */
import { shapesOf, type Shape } from '../shape.ts';
import { ARCHIVES } from './archives.ts';
import { COPYING } from './copying.ts';
import { FILES } from './files.ts';
import { FINDING } from './find.ts';
import { PRINTING } from './printing.ts';
import { EDITING } from './sed.ts';
import { SERVICES } from './services.ts';
import { TEXTS } from './texts.ts';
import { WRAPPERS } from './wrappers.ts';

const SHAPES = shapesOf([...PRINTING, ...TEXTS, ...FILES, ...COPYING, ...ARCHIVES, ...FINDING, ...EDITING, ...SERVICES, ...WRAPPERS]);

/** Folders whose programs are the ones of those names; who may write there may do anything. */
const SYSTEM_FOLDER = /^(?:\/usr\/local|\/usr)?\/s?bin\/(?=[^/]+$)/u;

/** A program's name without a folder where all hosts keep programs; any other folder stays. */
export function shellProgramName(called: string): string {
  return called.replace(SYSTEM_FOLDER, '');
}

/** What a program can cause, by the name that it is called with; undefined for one that is not understood. */
export function shapeOfProgram(called: string): { readonly name: string; readonly shape: Shape } | undefined {
  const name = shellProgramName(called);
  const shape = SHAPES.get(name);
  return shape === undefined ? undefined : { name, shape };
}
