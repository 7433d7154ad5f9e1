import { describe, expect, test } from 'vitest';
import { isLoginPath, mayHoldLoginPath } from '../../../../core/statement/host/login-paths.ts';

const HOME = '/home/deploy';

describe('what a login, a service or a tool runs', () => {
  test.each(
    [
      '/home/deploy/.ssh /home/deploy/.ssh/authorized_keys /home/deploy/.bashrc /home/deploy/.profile /home/deploy/.zshenv',
      '/home/deploy/.config/systemd/user/x.service /home/deploy/.config/autostart/x.desktop',
      '/home/deploy/.config/fish/config.fish /home/deploy/bin/ls /home/deploy/.local/bin/ls /home/deploy/.gitconfig',
      '/home/deploy/.unheard-of /home/other/.bashrc /root/.bashrc /root/bin/x /root/.ssh/authorized_keys /etc/profile',
      '/etc/profile.d/x.sh /etc/bash.bashrc /etc/cron.d/x /etc/crontab /etc/cron.daily/x /var/spool/cron/crontabs/root',
      '/etc/sudoers /etc/sudoers.d/x /etc/systemd/system/x.service /etc/ld.so.preload /etc/ld.so.conf.d/x.conf',
      '/etc/ssh/sshd_config /etc/environment /etc/pam.d/sshd /etc/passwd /etc/shadow /usr/local/bin/x /usr/bin/ls /bin/sh',
      '/sbin/init /lib/x.so /srv/app/.git /srv/app/.git/config /srv/app/.git/hooks/post-merge /srv/app.git/config',
      '/srv/app.git/hooks/update /srv/repo/hooks/pre-receive /srv/app.git/info/attributes /srv/x/.envrc',
      '/srv/users/x/.ssh/authorized_keys /proc/sys/kernel/core_pattern /sys/kernel/x /dev/sda /opt/tool/bin/tool /boot/vmlinuz',
      '/opt/bin/x',
    ].flatMap((line) => line.split(' ')),
  )('%s is such a path', (path) => {
    expect(isLoginPath(path, HOME)).toBe(true);
  });

  test.each(
    [
      '/srv/app/config.yaml /home/deploy/report.txt /home/deploy/src/.hidden /home/deploy/.cache/x /tmp/x /var/log/syslog',
      '/dev/null /dev/stdout /dev/shm/x /etc/nginx/nginx.conf /etc/hostname /srv/app.git/objects/aa /srv/bin /usrlocal',
      '/root/report /homes/x/.y / /etc /home /home/deploy /opt/tool/data /etcetera/passwd',
    ].flatMap((line) => line.split(' ')),
  )('%s is none', (path) => {
    expect(isLoginPath(path, HOME)).toBe(false);
  });

  test('a home folder of its own place is one', () => {
    expect(isLoginPath('/srv/www/.config/x', '/srv/www')).toBe(true);
    expect(isLoginPath('/srv/www/bin/x', '/srv/www')).toBe(true);
    expect(isLoginPath('/srv/www2/bin/x', '/srv/www')).toBe(false);
  });

  test('an account whose home is the root of the host has its files there', () => {
    expect(isLoginPath('/.bashrc', '/')).toBe(true);
    expect(isLoginPath('/.x', '/')).toBe(true);
    expect(mayHoldLoginPath('/', '/')).toBe(true);
  });

  test.each([
    '/',
    '/etc',
    '/home',
    '/home/deploy',
    '/home/other',
    '/root',
    '/var',
    '/var/spool',
    '/run',
    '/opt',
    '/home/deploy/.ssh',
    '/usr/share',
  ])('a write of unknown names below %s may be one', (folder) => {
    expect(mayHoldLoginPath(folder, HOME)).toBe(true);
  });

  test.each(['/srv', '/srv/app', '/tmp', '/home/deploy/src', '/var/log', '/etc/nginx'])(
    'a write of unknown names below %s is none',
    (folder) => {
      expect(mayHoldLoginPath(folder, HOME)).toBe(false);
    },
  );
});
