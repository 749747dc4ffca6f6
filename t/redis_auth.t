#!/usr/bin/perl

# Redis wants a password, or a user with the rules that the README names and no
# more; it has another database and prefix; it listens on a port.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);
$t->write_file('right', "the-password\n");
$t->write_file('wrong', "not-the-password\n");

my $tcp = $t->port;
my $redis = $t->redis(port => $tcp,
                      options => [ '--requirepass', 'the-password' ]);

$redis->command('AUTH', 'the-password');

# the rules, word by word

my $rules = $t->rules('the-password', qr/\+evalsha|\+zadd/);

$redis->command('ACL', 'SETUSER', 'gate', split / /, $rules);
like($rules, qr/ \+evalsha .*\+zadd/, 'the README names the rules');

sub conf {
    my ($address, $words) = @_;

    return $t->conf(workers => 1, http => <<END, server => <<'END2');
    gate_redis { server $address; timeout 5s; $words }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        unusual_country  deny;
        quota        bytes=1g per=1h;
        quota        documents=1000 per=1h;
    }
END
        gate  counted;
END2
}

my $unix = 'unix:%%DIR%%/redis0.sock';
my $password = 'password_file %%DIR%%/right;';

# a password

my $nginx = $t->nginx(conf($unix, $password));

is(status('alice'), 200, 'with the password: passes');
is($t->settled($redis, '{alice}:counted', 'bytes-1h', 1000), 1000,
   'and is counted');

# a user with few rights, who has to load the scripts

$redis->command('SCRIPT', 'FLUSH');
$nginx->reload(conf("127.0.0.1:$tcp", "username gate; $password"));

is(status('bob'), 200, 'as an ACL user, at a port: passes');
is($t->settled($redis, '{bob}:counted', 'bytes-1h', 1000), 1000,
   'and is counted, and given back');
is(status('bob'), 200, 'and again, with scripts that are loaded');
is($t->settled($redis, '{bob}:counted', 'bytes-1h', 2000), 2000,
   'and is counted');
is_deeply($redis->command('ACL', 'LOG'), [], 'Redis denied nothing');

# what is needed besides, for several servers, and to wait for replicas

my $two = "$unix; server 127.0.0.1:$tcp";

for my $word (qw(role wait)) {
    my $more = $t->rules('', qr/\+$word/);
    my %conf = (role => conf($two, "username gate; $password"),
                wait => conf($unix, "username gate; $password "
                                    . 'wait_replicas 1;'));

    $nginx->reload($conf{$word});
    status("without.$word");
    ok($t->wait_for(sub { @{ $redis->command('ACL', 'LOG') } }),
       "Redis denies $word");

    $redis->command('ACL', 'SETUSER', 'gate', split / /, $more);
    $redis->command('ACL', 'LOG', 'RESET');
    ok($t->wait_for(sub {
           status("with.$word") == ($word eq 'role' ? 200 : 503);
       }), "$word with what the README names");
    is_deeply($redis->command('ACL', 'LOG'), [], 'Redis denied nothing');
}

# another database, another prefix

$nginx->reload(conf($unix, "$password database 3; prefix house;"));

is(status('carol'), 200, 'with another database and prefix: passes');
is_deeply($redis->command('KEYS', '*carol*'), [], 'nothing in database 0');

$redis->command('SELECT', 3);

is($redis->command('EXISTS', 'house:{carol}:counted'), 1,
   'the account is in database 3, with the prefix');
is_deeply([ grep { !/^house:/ } @{ $redis->command('KEYS', '*') } ], [],
          'and so is all that is there');

my $bytes;

$t->wait_for(sub {
    my %hash = @{ $redis->command('HGETALL', 'house:{carol}:counted') };
    $bytes = sum0 map { $hash{$_} } grep { /^bytes-1h:\d+$/ } keys %hash;
    return $bytes == 1000;
});

is($bytes, 1000, 'which is counted and given back');

# a name, which may have addresses where nobody listens

$nginx->reload(conf("localhost:$tcp", $password));
$redis->command('SELECT', 0);

ok($t->wait_for(sub { status('dave') == 200 }), 'a name and a port: passes');

# wrong ones

for ([ 'a wrong password', 'password_file %%DIR%%/wrong;', 'WRONGPASS' ],
     [ 'a wrong user', "username gat; $password", 'WRONGPASS' ],
     [ 'a wrong database', "$password database 99;", 'ERR DB index' ],
     [ 'no password', '', 'NOAUTH' ])
{
    my ($what, $words, $error) = @$_;
    my $before = said($error);

    $nginx->reload(conf($unix, $words));

    is(join(' ', map { status($_) } 1 .. 10), '503 ' x 9 . '503',
       "$what: refused");
    is(said($error) - $before, 1, "$what: one line in the log says so");
}

is($nginx->said(qr/the-password/), 0, 'the log tells no password');

$nginx->reload(conf($unix, $password));
ok($t->wait_for(sub { status('erin') == 200 }), 'the right one again: passes');

$t->done;

sub status {
    my ($user) = @_;

    return $t->as('1.1', $user, '/document')->{status};
}

sub said {
    my ($error) = @_;

    return $nginx->said(qr/\[error\].*gate: redis.*\Q$error\E/);
}
