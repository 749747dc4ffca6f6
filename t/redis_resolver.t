#!/usr/bin/perl

# Redis has another address behind the same name: it is found when connections
# fail, by nginx's resolver.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my $port = $t->port;
my $redis = $t->redis(port => $port);
my $dns = $t->dns(localhost => '127.0.0.2');

my $nginx = $t->nginx($t->conf(http => <<"END", server => <<'END2'));
    resolver          127.0.0.1:$dns ipv6=off valid=1s;
    resolver_timeout  2s;

    gate_redis {
        server  localhost:$port;
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=10 per=1h;
    }
END
        gate  counted;
END2

is(status(), 200, 'the name as nginx resolved it when it started');

# that server goes, and the name has another one

$redis->kill;
$redis = $t->redis(port => $port, bind => '127.0.0.2');

ok($t->wait_for(sub { status('new') == 200 }, 10), 'the name as it is now');
ok($nginx->said(qr/"localhost" is at 127.0.0.2:$port now/), 'and that is said');

my @new = $t->wait_for(sub { $redis->command('CLIENT', 'LIST')
                             =~ /name=nginx-gate/ });

ok(@new, 'the other one is asked');

$t->done;

sub status { return $t->as('1.1', $_[0] // 'bob', '/document')->{status} }
