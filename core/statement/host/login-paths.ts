/**
 * Files by which a later login, a service or somebody's tool runs what was written into them: whoever may write there may run
 * whatever they like, later and unjudged. So a write to them is the effect `writeLogin`, not `writeFile`.
 *
 * The list errs on the side of too much. It is of names, so a repository without working tree whose folder does not end in
 * `.git` shows only its `hooks`, and a program that reads scripts from a folder of its own is not known here.
 */
import type { HostPath } from './host-operation.ts';

/** Files and folders with all below them. */
const SYSTEM_PATHS: readonly string[] = [
  // Programs and what they load.
  '/bin /sbin /usr /lib /lib32 /lib64 /libx32 /snap /boot /nix /opt/bin',
  // The kernel's own: some of its settings name programs.
  '/proc /sys /dev',
  // Shells and logins.
  '/etc/profile /etc/profile.d /etc/bash.bashrc /etc/bashrc /etc/bash_completion /etc/bash_completion.d /etc/zsh /etc/zshenv',
  '/etc/zshrc /etc/zprofile /etc/fish /etc/csh.cshrc /etc/csh.login /etc/csh /etc/environment /etc/environment.d /etc/inputrc',
  '/etc/shells /etc/skel /etc/xdg /etc/X11 /etc/pam.d /etc/pam.conf /etc/security /etc/login.defs /etc/nsswitch.conf',
  '/etc/update-motd.d /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid /etc/ssh /etc/krb5.conf',
  '/etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/hosts.equiv /etc/polkit-1 /etc/dbus-1 /etc/sudoers /etc/sudoers.d',
  '/etc/sudo.conf /etc/doas.conf /etc/opt /etc/alternatives /etc/gitconfig',
  // What runs by itself.
  '/etc/crontab /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/cron.yearly /etc/cron.allow',
  '/etc/cron.deny /etc/anacrontab /etc/at.allow /etc/at.deny /var/spool/cron /var/spool/at /var/spool/anacron /var/spool/incron',
  '/etc/incron.d /etc/systemd /run/systemd /etc/init.d /etc/init /etc/inittab /etc/rc.local /etc/rc.d /etc/rc0.d /etc/rc1.d',
  '/etc/rc2.d /etc/rc3.d /etc/rc4.d /etc/rc5.d /etc/rc6.d /etc/rcS.d /etc/default /etc/sysconfig /etc/conf.d /etc/runit',
  '/etc/service /etc/supervisor /etc/logrotate.conf /etc/logrotate.d /etc/udev /etc/modprobe.d /etc/modules /etc/modules-load.d',
  '/etc/initramfs-tools /etc/sysctl.conf /etc/sysctl.d /etc/tmpfiles.d /etc/binfmt.d /etc/kernel /etc/grub.d /etc/network',
  '/etc/netplan /etc/NetworkManager /etc/networkd-dispatcher /etc/dhcp /etc/ppp /etc/acpi /etc/apm /etc/inetd.conf /etc/xinetd.d',
  '/etc/apt /etc/dpkg /etc/yum /etc/yum.conf /etc/yum.repos.d /etc/dnf /etc/ca-certificates /etc/aliases /etc/apparmor',
  '/etc/apparmor.d /etc/selinux /etc/fstab /etc/exports /etc/auto.master /etc/crypttab /etc/mtab',
  // What every program loads.
  '/etc/ld.so.conf /etc/ld.so.conf.d /etc/ld.so.preload /etc/ld.so.cache /etc/gai.conf /etc/python3 /etc/perl /etc/containers',
  '/etc/docker /etc/cloud /etc/snmp /etc/zabbix /etc/nagios /var/spool/cloud /run/docker.sock /var/lib/cloud /var/lib/dpkg',
  '/var/lib/snapd /var/run/docker.sock /run/dbus',
].flatMap((line) => line.split(' '));

/** Of `/dev`, what holds nothing that stays. */
const HARMLESS_DEVICES = new Set(['null', 'zero', 'full', 'tty', 'stdin', 'stdout', 'stderr']);

/** Of what is hidden in a home folder, what nothing runs. Everything else hidden there configures some program. */
const HARMLESS_HIDDEN = new Set(['.cache']);

/** Names that are read wherever they are, in a home folder that is not known here, or by a tool that stands in the folder. */
const NAMES_ANYWHERE = new Set(
  [
    '.ssh .git .githooks .husky hooks .envrc .gitconfig .gitattributes .gitmodules .lfsconfig .bashrc .bash_profile',
    '.bash_login .bash_logout .bash_aliases .profile .pam_environment .zshenv .zshrc .zprofile .zlogin .zlogout .kshrc',
    '.mkshrc .shrc .cshrc .tcshrc .login .logout .xprofile .xinitrc .xsession .xsessionrc .Xsession .rhosts .shosts',
    '.forward .procmailrc .k5login .inputrc .exrc .vimrc .gdbinit .screenrc .tmux.conf .pythonrc .npmrc .curlrc .wgetrc',
    '.netrc .psqlrc .my.cnf .mylogin.cnf .lessfilter .lesskey .emacs .emacs.d .vim authorized_keys crontabs',
  ].flatMap((line) => line.split(' ')),
);

/** In a repository without working tree: what runs programs, or says where it all is. */
const BARE_REPOSITORY_NAMES = new Set(['config', 'config.worktree', 'info', 'commondir', 'gitdir', 'worktrees', 'modules']);

/**
 * Whether what is written at this path, or below it, may be run later by a login, a service or a tool. `path` is the host's own
 * spelling of it (no links, `.` or `..`); `home` is the account's home folder. The home folders of others count too.
 */
export function isLoginPath(path: HostPath, home: HostPath): boolean {
  const parts = partsOf(path);
  if (SYSTEM_PATHS.some((root) => isWithin(path, root))) return !isHarmlessDevice(parts);
  if (parts.some((part) => NAMES_ANYWHERE.has(part))) return true;
  if (parts.some((part, index) => part.endsWith('.git') && BARE_REPOSITORY_NAMES.has(parts[index + 1] ?? ''))) return true;
  if (parts[0] === 'opt' && parts.slice(1).some((part) => part === 'bin' || part === 'sbin')) return true;
  return homesOf(parts, home).some((depth) => isRunFromHome(parts[depth]));
}

/**
 * Whether a folder is such a path or may hold one, so that a write below it of which the names are not known counts as a write to
 * a login path. Repositories further down are not looked for.
 */
export function mayHoldLoginPath(folder: HostPath, home: HostPath): boolean {
  if (isLoginPath(folder, home)) return true;
  const parts = partsOf(folder);
  if (homesOf(parts, home).includes(parts.length)) return true;
  return ['/root/.', '/home/.', `${home}/.`, ...SYSTEM_PATHS].some((path) => isWithin(path, folder));
}

function isRunFromHome(name: string | undefined): boolean {
  if (name === undefined) return false;
  return name === 'bin' || name === 'sbin' || (name.startsWith('.') && !HARMLESS_HIDDEN.has(name));
}

/** At which depths the parts are those of something directly in a home folder. */
function homesOf(parts: readonly string[], home: HostPath): readonly number[] {
  const own = partsOf(home);
  const depths: number[] = [];
  if (own.every((part, index) => part === parts[index])) depths.push(own.length);
  if (parts[0] === 'root') depths.push(1);
  if (parts[0] === 'home' && parts.length > 1) depths.push(2);
  return depths;
}

function isHarmlessDevice(parts: readonly string[]): boolean {
  return parts[0] === 'dev' && ((parts.length === 2 && HARMLESS_DEVICES.has(parts[1] ?? '')) || (parts[1] === 'shm' && parts.length > 2));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`);
}

function partsOf(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '');
}
