#!/usr/bin/perl

# A user may have so many distinct documents in a window, on all nodes together.
# One that was taken before costs nothing again; one that was refused for
# another reason was not taken.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $kib = 1024;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document("d$_", 1000) for 1 .. 40;
$t->document('large', 200 * $kib);

my $redis = $t->redis;
my ($nginx, $port, $second);

for my $ledger ('Redis', 'the zone') {
    my $conf = conf($ledger eq 'Redis');

    ($port, $second) = ($t->port, $t->port);
    $nginx = $t->nginx($conf, port => $port);

    counts($ledger);
    together($ledger);
    keys_of($ledger);
    limits($ledger);

    next unless $ledger eq 'Redis';

    $t->nginx($conf =~ s/access\.log/second.log/r, port => $second);

    nodes();
    cheap();
    returned();
    away();
    forgets();
}

$t->done;

# A document counts once.

sub counts {
    my ($ledger) = @_;

    is(get('alice', map { "d$_" } 1 .. 5), '200 200 200 200 200',
       "$ledger: five documents of five");
    is(get('alice', 'd6'), '429', "$ledger: a sixth is refused");
    is(get('alice', map { "d$_" } 1 .. 5, 1 .. 5), join(' ', (200) x 10),
       "$ledger: those five pass again and again");
    is(get('alice', 'd7', 'd5', 'd7'), '429 200 429',
       "$ledger: and no other one");
    is(get('bob', 'd6'), '200', "$ledger: another user has five of his own");
    is(get('alice', 'd1?x=y', 'd1'), '200 200',
       "$ledger: arguments are no part of \$uri");
    ok($t->wait_for(sub { last_log() =~ /"PASSED"/ }),
       "$ledger: the log says so");

    ok($nginx->said(qr/refused: quota documents-day, .*"alice"/),
       "$ledger: the error log names the quota");

    is(join(' ', sort map { $_->{status} }
                 $t->curls([ map { "/d$_" } 1 .. 20 ], port => $port,
                           options => [ '-H', 'X-User: streams' ])),
       join(' ', (200) x 5, (429) x 15),
       "$ledger: 20 streams at once are five documents");
}

# All quotas hold, or none is taken.

sub together {
    my ($ledger) = @_;

    my %at = (policy => 'bytes');

    is(get('carol', 'large', %at), '429', "$ledger: it has too many bytes");
    is(get('carol', (map { "d$_" } 1 .. 5), %at), join(' ', (200) x 5),
       "$ledger: so it was none of five documents");
    is(get('carol', 'd6', %at), '429', "$ledger: a sixth is refused");

    is(get('dave', 'd1', 'd2', 'd3', %at), '200 200 200',
       "$ledger: three requests of three");
    is(get('dave', 'd4', %at, policy => 'requests'), '200',
       "$ledger: another policy counts by itself");
}

# What a document is, a policy may say.

sub keys_of {
    my ($ledger) = @_;

    is(named('erin', 1 .. 5, 1), join(' ', (200) x 6),
       "$ledger: \"document\" says what one is");
    is(named('erin', 6, 'x' x 6000), '429 429',
       "$ledger: a sixth is refused");

    my $long = 'x' x 6000;

    is(named('frank', "${long}1", "${long}2", "${long}1"), '200 200 200',
       "$ledger: keys of 64k are told apart");
    is(named('frank', '', ''), '200 200', "$ledger: an empty one is one, too");
}

sub limits {
    my ($ledger) = @_;

    is(get('grace', 'd1', policy => 'limit', limit => 0), '429',
       "$ledger: a limit of 0 refuses all");
    is(get('grace', 'd1', 'd2', policy => 'limit', limit => 1), '200 429',
       "$ledger: a limit of 1");
    is(get('grace', 'd2', 'd3', policy => 'limit', limit => 2), '200 429',
       "$ledger: that is raised to 2");
    is(get('grace', 'd1', 'd2', 'd3', policy => 'limit', limit => 1),
       '200 200 429', "$ledger: and lowered: what was taken stays taken");
    is(get('grace', (map { "d$_" } 1 .. 10), policy => 'limit',
           limit => '9223372036854775807'), join(' ', (200) x 10),
       "$ledger: a very large one");
    is(get('grace', 'd11', policy => 'limit', limit => 'off'), '200',
       "$ledger: off does not limit");
}

sub nodes {
    is(get('heidi', 'd1', 'd2', 'd3'), '200 200 200', 'three by one node');
    is(get('heidi', 'd2', 'd3', 'd4', 'd5', 'd6', port => $second),
       '200 200 200 200 429', 'two more by another, which knows the three');
    is(get('heidi', 'd4', 'd5', 'd6'), '200 200 429', 'and the first knows');
    is(documents('heidi'), 5, 'Redis has five');
}

sub cheap {
    get('ivan', map { "d$_" } 1 .. 4);

    $redis->listen;
    get('ivan', (map { "d$_" } 1 .. 4) x 50);
    is($redis->heard('{ivan}:counted'), 0,
       'documents seen before are no question to Redis');
    get('ivan', 'd5');
    cmp_ok($redis->heard('{ivan}:counted'), '>', 0, 'another one is');
}

# Refused when its length was known, and nobody else has it.

sub returned {
    my %at = (policy => 'bytes');

    is(get('judy', 'd1', 'large', %at), '200 429', 'one taken, one refused');
    is($t->wait_for(sub { documents('judy', 'bytes') == 1 }), 1,
       'the refused one is given back to Redis');
    is(get('judy', (map { "d$_" } 2 .. 5), 'd6', %at), '200 200 200 200 429',
       'four more fit');
}

# Redis does not answer.

sub away {
    is(get('leo', 'd1', 'd2', policy => 'lenient'), '200 200', 'two documents');

    $redis->halt;

    is(get('leo', 'd1', 'd2', policy => 'lenient'), '200 200',
       'Redis is away: known ones pass');
    is(get('leo', 'd3', 'd4', 'd5', policy => 'lenient'), '200 200 503',
       'store_down lets two others pass');
    is(get('mia', 'd1'), '503', 'who may borrow nothing is refused');

    $redis->go_on;

    is($t->wait_for(sub { documents('leo', 'lenient') == 4 }), 1,
       'Redis is back: all four are counted');
    is(get('leo', 'd6', 'd7', policy => 'lenient'), '200 429',
       'and there is one left of five');
}

sub forgets {
    is(get('nina', 'd1', 'd2', 'd3'), '200 200 200', 'three documents');

    $redis->command('FLUSHALL');

    is(get('nina', 'd1', 'd4', 'd5', 'd6'), '200 200 200 429',
       'Redis forgot them: two more, and no other');

    is(get('olga', 'd1', 'd2', 'd3'), '200 200 200', 'three documents');

    $redis->command('DEL', 'gate:{olga}:counted:documents-day');

    is(get('olga', 'd4', 'd5', 'd6'), '200 200 429',
       'Redis forgot which they were: two more, and no other');
}

# Their statuses, one after the other over one connection.

sub get {
    my ($user, @names) = @_;

    my %o = (policy => 'counted', port => $port);

    while (@names > 2 && $names[-2] =~ /^(policy|limit|port)$/) {
        my ($name, $value) = splice @names, -2;
        $o{$name} = $value;
    }

    my $client = $t->client(port => $o{port});

    return join ' ', map {
        $client->request("/$o{policy}/$_",
                         headers => { 'X-User' => $user,
                                      'X-Limit' => $o{limit} // '' })
               ->{status}
    } @names;
}

sub named {
    my ($user, @names) = @_;

    my $client = $t->client(port => $port);

    return join ' ', map {
        $client->request('/named/d1', headers => { 'X-User' => $user,
                                                   'X-Document' => $_ })
               ->{status}
    } @names;
}

# What Redis has.

sub documents {
    my ($user, $policy) = @_;

    my $account = "{$user}:" . ($policy // 'counted');

    return $redis->command('ZCARD', "gate:$account:documents-day")
           + $t->granted($redis, $account, 'documents-day');
}

sub last_log {
    return (split /\n/, $t->read_file('access.log'))[-1];
}

sub conf {
    my ($redis) = @_;

    my $store = $redis ? 'gate_redis { server unix:%%DIR%%/redis0.sock; '
                         . 'timeout 500ms; }' : '';
    my $noon = $t->noon;
    my $name = '$http_x_document' x 11;
    my $quota = "certificate off; user \$http_x_user; "
                . "quota documents=5 per=day $noon;";

    return $t->conf(http => <<"END", server => <<'END2');
    $store
    large_client_header_buffers  4 16k;

    gate_policy counted  { $quota }
    gate_policy bytes    { $quota quota bytes=100k per=day $noon; }
    gate_policy requests { $quota quota requests=3 per=day $noon; }
    gate_policy named    { $quota document $name; }
    gate_policy lenient  { $quota store_down allow=2; }

    gate_policy limit {
        certificate  off;
        user         \$http_x_user;
        quota        documents=\$http_x_limit per=day $noon;
    }
END
        location /counted/  { gate counted; alias %%DIR%%/docs/; }
        location /bytes/    { gate bytes; alias %%DIR%%/docs/; }
        location /requests/ { gate requests; alias %%DIR%%/docs/; }
        location /named/    { gate named; alias %%DIR%%/docs/; }
        location /lenient/  { gate lenient; alias %%DIR%%/docs/; }
        location /limit/    { gate limit; alias %%DIR%%/docs/; }
        location /          { gate counted; }
END2
}
