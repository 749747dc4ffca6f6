#!/usr/bin/perl

# Credit that nobody uses goes back, until Redis holds what was delivered: when
# it lay idle, when nginx ends, after a reload, after a client that went away.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $mib = 1024 * 1024;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', $mib);
$t->document('long', 20 * $mib);

my $redis = $t->redis;

# "patient" keeps its credit until nginx ends

my $conf = $t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/ger,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=1g per=day %%NOON%%;
    }

    gate_policy patient {
        certificate  off;
        user         $http_x_user;
        quota        bytes=1g per=day %%NOON%%;
        lease        4m idle=1h;
    }
END
    server => <<'END') =~ s/ssl http2;/ssl http2 sndbuf=256k;/r;
        location /counted/ { gate counted; alias %%DIR%%/docs/; }
        location /patient/ { gate patient; alias %%DIR%%/docs/; }
END

my $nginx = $t->nginx($conf);

# idle

is($t->as('1.1', 'idle', '/counted/document')->{status}, 200,
   'a document passes');
is(settled('idle'), $mib, 'credit that lay idle goes back');

# reload

is($t->as('1.1', 'reload', '/patient/document')->{status}, 200,
   'another one passes');

my $held = $t->granted($redis, '{reload}:patient', 'bytes-day');

cmp_ok($held, '>', $mib, 'credit is held');

my $client = $t->client;

$client->send('/counted/long', headers => { 'X-User' => 'slow' });
$client->more;

is($t->as('1.1', 'before', '/counted/document')->{status}, 200,
   'a document passes before a reload');

$nginx->reload($conf);

is($t->granted($redis, '{reload}:patient', 'bytes-day'), $held,
   'a reload keeps credit');
is($t->as('1.1', 'reload', '/patient/document')->{status}, 200,
   'and it is spent after that');
is(settled('before'), $mib, 'what became idle by a reload goes back');

my $r = $client->response('GET');

ok($r->{whole}, 'a download outlives a reload');
is(length $r->{body}, 20 * $mib, 'all of it');
is(settled('slow', 20 * $mib), 20 * $mib, 'and it was counted exactly');

# a client that goes away

for my $at ('counted', 'patient') {
    my $client = $t->client;
    my $got = 0;

    $client->send("/$at/long", headers => { 'X-User' => 'gone' });

    until (length($client->{buffer}) > 2 * $mib) {
        $client->more or last;
    }

    $got = length($client->{buffer});
    $client->close;

    cmp_ok($got, '>', 2 * $mib, "$at: a client got 2 MiB and went away");

    next if $at eq 'patient';       # settled at the end

    my $granted;

    $t->wait_for(sub {
        $granted = $t->granted($redis, '{gone}:counted', 'bytes-day');
        return $granted <= $got + 8 * $mib;
    });

    cmp_ok($granted, '>=', $got - 1024, "it pays for what it got");
    cmp_ok($granted, '<=', $got + 8 * $mib, "and what sockets hold, no more");
}

# the end

is($t->as('1.1', 'end', '/patient/document')->{status}, 200,
   'a document passes before the end');
cmp_ok($t->granted($redis, '{end}:patient', 'bytes-day'), '>', $mib,
       'credit is held');

$nginx->stop;

is($t->granted($redis, '{end}:patient', 'bytes-day'), $mib,
   'nginx gives it back when it ends');
is($t->granted($redis, '{reload}:patient', 'bytes-day'), 2 * $mib,
   'also what was drawn before a reload');

my $granted = $t->granted($redis, '{gone}:patient', 'bytes-day');

cmp_ok($granted, '>=', 2 * $mib, 'the client that went away pays');
cmp_ok($granted, '<=', 10 * $mib, 'and not for all');

$t->done;

sub settled {
    my ($user, $bytes) = @_;

    $bytes //= $mib;
    return $t->settled($redis, "{$user}:counted", 'bytes-day', $bytes);
}
