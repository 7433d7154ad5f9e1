export { parseUserName, type UserName } from '../../core/ssh/user-name.ts';
