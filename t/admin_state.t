#!/usr/bin/perl

# v1/state: how what a node stands on is: Redis, databases, CRLs, registered
# certificates, the zone, the audit and holds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $now = time;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);
$t->certificate($_, email => "$_\@example.jp") for qw(alice bob carol);

# two CRLs: the older one, and the one that ends first, count

$t->ca('sub', by => 'ca');
$t->write_file('one.crl', $t->crl('ca', revoked => [ 'bob', 'carol' ],
                                  before => $now - 600, after => $now + 9000)
                          . $t->crl('sub', before => $now - 60,
                                    after => $now + 5000)
                          . $t->read_file('sub.pem'));
$t->write_file('registered', join '', map { "$_\n" } 'a' x 64, 'b' x 64);

my $redis = $t->redis;
my $conf = conf("gate_redis { server unix:$redis->{socket}; timeout 1s; }");
my $nginx = $t->nginx($conf);

ok($t->wait_for(sub { state()->{redis}{connected} }), 'Redis is connected');

my $state = state();

near($state->{time}, 'what time it is');
near($state->{redis}{since}, 'since when it is connected');
is($state->{redis}{error}, undef, 'nothing went wrong');
is($state->{redis}{lost}, undef, 'it was never lost');
like($state->{redis}{latency}, qr/^\d+(\.\d+)?$/, 'how long it takes to answer');

is(scalar @{ $state->{databases} }, 1, 'one database');
is($state->{databases}[0]{file}, $t->dir . '/country.mmdb', 'its file');
ok($state->{databases}[0]{type}, 'its type');
near($state->{databases}[0]{built}, 'when it was built');

is(scalar @{ $state->{crls} }, 1, 'one file of CRLs');
is($state->{crls}[0]{file}, $t->dir . '/one.crl', 'its name');
is($state->{crls}[0]{entries}, 2, 'its entries');
is($state->{crls}[0]{updated}, $now - 600, 'the older of two');
is($state->{crls}[0]{next_update}, $now + 5000, 'the one that ends first');
near($state->{crls}[0]{read}, 'when it was read');

is(scalar @{ $state->{fingerprints} }, 1, 'one file of fingerprints');
is($state->{fingerprints}[0]{file}, $t->dir . '/registered', 'its name');
is($state->{fingerprints}[0]{entries}, 2, 'how many');
near($state->{fingerprints}[0]{read}, 'when it was read');

is($state->{zone}{name}, 'gate', 'the zone');
is($state->{zone}{size}, 1024 * 1024, 'its size');
is($state->{zone}{free}, $state->{zone}{room}, 'all of its room is free');
cmp_ok($state->{zone}{room}, '>', 400_000, 'which is most of it');
is($state->{zone}{accounts}, 0, 'no accounts');
is_deeply($state->{holds}, { number => 0, version => 0 }, 'no holds');

# a user has an account; what he does is told

is($t->get('/document', cert => 'alice', from => '203.0.113.1')->{status}, 200,
   'one comes');
ok($t->wait_for(sub { state()->{audit}{file}{written} }), 'an event is written');
$state = state();
is_deeply($state->{audit}, {
    file => { written => $state->{audit}{file}{written}, dropped => 0 },
    syslog => { written => 0, dropped => 0 },
    redis => { written => 0, dropped => 0 } }, 'and by nobody else');
is($state->{zone}{accounts}, 1, 'it has an account');
cmp_ok($state->{zone}{room} - $state->{zone}{free}, '>', 0, 'which takes room');
cmp_ok($state->{zone}{room} - $state->{zone}{free}, '<=', 512, 'not much');

$t->hold($redis, 'case-1', 'user=bob@example.jp by=carol');
ok($t->wait_for(sub { state()->{holds}{number} == 1 }), 'a hold');
is(state()->{holds}{version}, 1, 'and its version');

# files that change are those that are told of

$t->write_file('registered', '');
ok($t->wait_for(sub { state()->{fingerprints}[0]{entries} == 0 }),
   'nobody is registered any more');

# Redis goes, and comes back

$redis->stop;
ok($t->wait_for(sub { $state = state();
                      !$state->{redis}{connected} && $state->{redis}{error} }),
   'Redis is lost, for a reason');
near($state->{redis}{lost}, 'since then');
near($state->{redis}{since}, 'which is what it is since');
$redis->start;
ok($t->wait_for(sub { state()->{redis}{connected} }, 20), 'it is back');
ok(state()->{redis}{error}, 'why it was lost last is not forgotten');

# without any of it

$nginx->reload(conf('') =~ s/^ *(crl|fingerprints|gate_audit)\b.*\n//mgr
                        =~ s/^ *gate_geoip.*\n//mr =~ s/allow_country.*//r);
$state = state();
is($state->{redis}, undef, 'without Redis there is nothing of it');
is_deeply([ map { scalar @{ $state->{$_} } } qw(databases crls fingerprints) ],
          [ 0, 0, 0 ], 'nor of files');

$t->done;

sub state { return decode_json($t->get('/admin/v1/state')->{body}) }

sub near {
    my ($time, $what) = @_;

    cmp_ok(abs(($time // 0) - time), '<', 120, $what);
}

sub conf {
    my ($redis) = @_;

    return $t->conf(workers => 1, http => <<"END", server => <<'END2');
    $redis
    gate_zone 1m;

    gate_policy counted {
        user           \$gate_cert_email;
        allow_country  JP;
        quota          requests=3 per=day;
        crl            %%DIR%%/one.crl;
    }

    gate_policy listed {
        fingerprints   %%DIR%%/registered;
    }
END
        gate        counted;
        gate_audit  file %%DIR%%/events events=all;

        location /admin/  { gate off; gate_admin; }
        location /listed/ { gate listed; }
END2
}
