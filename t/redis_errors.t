#!/usr/bin/perl

# Errors of every kind, caused in a real Redis: who needs it is refused as
# "unavailable", it is said why, and when the cause has gone all is well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::UNIX;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my $other = $t->redis(port => my $port = $t->port);
my $redis = $t->redis(options => [ '--busy-reply-threshold', 10 ]);
my $nginx = $t->nginx(conf($redis));
my $user = 0;

is(status(), 200, 'all is well');

# the error, how it is caused, and how it is cured

fails('OOM', sub { $redis->command(qw(CONFIG SET maxmemory 1)) },
      sub { $redis->command(qw(CONFIG SET maxmemory 0)) });

fails('ERR The user', sub { $redis->command(qw(ACL SETUSER default -hset)) },
      sub { $redis->command(qw(ACL SETUSER default +hset)) });

fails('NOPERM', sub { $redis->command(qw(ACL SETUSER default -evalsha)) },
      sub { $redis->command(qw(ACL SETUSER default +evalsha)) });

fails('NOAUTH', sub {
          $redis->command(qw(CONFIG SET requirepass secret));
          $redis->command(qw(CLIENT KILL TYPE normal));
      },
      sub {
          $redis->command(qw(AUTH secret));
          $redis->command('CONFIG', 'SET', 'requirepass', '');
      });

fails('READONLY', sub {
          $redis->command('REPLICAOF', '127.0.0.1', $port);
          $t->wait_for(sub { $redis->command('INFO', 'replication')
                             =~ /master_link_status:up/ });
      },
      sub { $redis->command(qw(REPLICAOF NO ONE)) });

fails('MASTERDOWN', sub {
          $redis->command(qw(CONFIG SET replica-serve-stale-data no));
          $redis->command('REPLICAOF', '127.0.0.1', $t->port);
      },
      sub { $redis->command(qw(REPLICAOF NO ONE)) });

fails('MISCONF', sub {
          $redis->command('CONFIG', 'SET', 'save', '3600 1');
          unlink $t->dir . '/redis1.rdb';
          mkdir $t->dir . '/redis1.rdb';
          eval { $redis->command('BGSAVE') };
          $t->wait_for(sub { $redis->command('INFO', 'persistence')
                             =~ /rdb_last_bgsave_status:err/ });
      },
      sub {
          rmdir $t->dir . '/redis1.rdb';
          $redis->command('CONFIG', 'SET', 'save', '');
      });

# a script that does not end, on a connection of its own

fails('BUSY', sub {
          my $busy = IO::Socket::UNIX->new(Peer => $redis->{socket});
          my $script = 'while true do end';

          print $busy "*3\r\n\$4\r\nEVAL\r\n\$" . length($script)
                      . "\r\n$script\r\n\$1\r\n0\r\n";
          $busy->flush;
          $t->wait_for(sub { !eval { $redis->command('PING') }
                             && $@ =~ /BUSY/ });
      },
      sub { $redis->command(qw(SCRIPT KILL)) });

# scripts that are gone are no error that anybody notices

$redis->command(qw(SCRIPT FLUSH));
is(status(), 200, 'NOSCRIPT: the script is sent again');
is($nginx->said(qr/NOSCRIPT/), 0, 'and nothing is said');

# one that reads its data, slowly

$redis->command('EVAL', 'for i = 1, 5000 do redis.call("SET", "k" .. i, i) end',
                0);
$redis->command('SAVE');
$redis->stop;
$redis->start('--key-load-delay', 2_000,
              '--loading-process-events-interval-bytes', 1024);

fails('LOADING', sub { },
      sub {
          $t->wait_for(sub {
              $redis->command(qw(CONFIG SET key-load-delay 0));
              return $redis->command('INFO', 'persistence') =~ /loading:0/;
          }, 60);
      });

$t->done;

sub fails {
    my ($error, $cause, $cure) = @_;

    $cause->();

    is(status(), 503, "$error: who needs Redis is refused");
    ok($t->wait_for(sub {
           status();
           return $nginx->said(qr/\[error\].* gate: redis.*"$error/);
       }), 'and it is said why');

    delete $redis->{connection};
    $cure->();

    my $well = $t->wait_for(sub { status() == 200 });

    ok($well, 'when the cause has gone, all is well');
}

# of a user who has no credit yet

sub status {
    return $t->as('1.1', 'user' . ++$user, '/document')->{status};
}

sub conf {
    my ($redis) = @_;

    return $t->conf(workers => 1, http => <<"END", server => <<'END2');
    gate_redis { server unix:$redis->{socket}; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=10 per=1h;
    }
END
        gate  counted;
END2
}
