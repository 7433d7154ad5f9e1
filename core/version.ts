/** The program's version, as it stands in package.json and in every recording. */
export const VERSION = '0.1.0';
