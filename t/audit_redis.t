#!/usr/bin/perl

# gate_audit redis: the stream has each event once, and of each document what
# clients got of it; Redis may stop, die and forget its scripts: nobody waits,
# and what is dropped is counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use List::Util qw(sum0);
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->write_file('password', "secret\n");
chmod 0600, $t->dir . '/password';

my %size = (small => 10, odd => 4097, large => 700_001, empty => 0,
            huge => 40_000_000);

$t->document($_, $size{$_}) for keys %size;
$t->write_file('docs/text', "compresses well\n" x 5000);

my $redis = $t->redis;

# with the rules of the README and no more

$redis->command('ACL', 'SETUSER', 'gate', split / /,
                $t->rules('secret', qr/\+evalsha|\+zadd|\+hlen|\+xadd/));

my $nginx = $t->nginx(conf());

# what clients get of each document, in many ways

my %got;

for my $user (qw(alice bob)) {
    for my $http (qw(1.1 2)) {
        for my $name (qw(small odd large empty text)) {
            take($http, $user, $name);
        }

        take($http, $user, 'large', headers => { Range => 'bytes=5-1004' });
        take($http, $user, 'large',
             headers => { Range => 'bytes=0-9,100-109' });
        take($http, $user, 'text', headers => { 'Accept-Encoding' => 'gzip' });
        take($http, $user, 'small', method => 'HEAD');
        take($http, $user, 'nowhere');
    }
}

my $n = 2 * 2 * (5 + 2 + 1 + 1);

is(wait_stream($n), $n, "$n events");

my (%told, %users);

for (stream()) {
    my $bytes = $_->{'http.response.body.bytes'};

    $told{ $_->{'gate.document'} } += $bytes;
    $users{ $_->{'user.name'} } += $bytes;
}

is_deeply(\%told, \%got, 'of each document, all that clients got');

for my $user (qw(alice bob)) {
    is($t->settled($redis, "{$user}:counted", 'bytes-day', $users{$user}),
       $users{$user}, "of $user, all that the quota has");
}

my ($e) = stream();

is(join(' ', map { $e->{$_} // '-' } qw(event.action user.name gate.project
                                        gate.document rule.ruleset source.ip
                                        source.geo.country_iso_code)),
   'download alice small /small counted 203.0.113.1 JP', 'who, what, where');

# who goes away in the middle: what left, as the quota has it

my $client = $t->client;

$client->send('/huge', from => '203.0.113.1',
              headers => { 'X-User' => 'carol' });
$client->more;
$client->close;

is(wait_stream(++$n), $n, 'an aborted download');
($e) = (stream())[-1];

my $left = $e->{'http.response.body.bytes'};

cmp_ok($left, '>=', length($client->{buffer}) - 1000, 'what left');
cmp_ok($left, '<', $size{huge}, 'and no more');
is($t->settled($redis, '{carol}:counted', 'bytes-day', $left), $left,
   'which is what the quota has');

# Redis forgets the script; the last events of a worker that exits

$redis->command('SCRIPT', 'FLUSH');
ask('/small', 3);
$nginx->reload(conf());
is(wait_stream($n += 3), $n, 'a worker that exits leaves nothing behind');

# Redis stops: nobody waits, what finds no room is dropped, and counted

my $offered = 3000;
my ($written, $dropped) = map { metric($_) } qw(written dropped);

is($dropped, 0, 'nothing was dropped so far');

$redis->halt;

my %statuses = ask('/free/small', $offered);

is_deeply(\%statuses, { 200 => $offered }, 'Redis stops: all are served');
cmp_ok(metric('dropped'), '>', 1000, 'events are dropped');
cmp_ok(rss(), '<', 60_000, 'and memory is bounded')
    unless $ENV{TEST_SANITIZE};
is($nginx->said(qr/audit: redis does not take events/), 1,
   'one line of the log says so');

# nobody may be quicker than the deadline of what was asked

ok($t->wait_for(sub { grep { /^redis-lost$/ } actions() }), 'it is lost');

$redis->go_on;

ok($t->wait_for(sub {
       metric('written') - $written + metric('dropped') == $offered;
   }), 'written and dropped are what was offered')
    or diag(join ' ', metric('written') - $written, metric('dropped'));

$n += metric('written') - $written;
is(wait_stream($n), $n, 'what was written is there');

my %seen;

$seen{ $_->{'event.id'} }++ for stream();
is(keys %seen, $n, 'and is there once');
ok($t->wait_for(sub {
       $nginx->said(qr/audit: redis: @{[ metric('dropped') ]} events were/);
   }), 'the log says how many were dropped');

# Redis is away for a moment, and has lost nothing

$dropped = metric('dropped');
$redis->command('SAVE');
$redis->kill;
ask('/free/small', 20);
ok($t->wait_for(sub { 2 <= grep { /^redis-lost$/ } actions() }),
   'it is lost again');
$redis->start;
$redis->command('ACL', 'SETUSER', 'gate', split / /,
                $t->rules('secret', qr/\+evalsha|\+zadd|\+hlen|\+xadd/));
$redis->command('ACL', 'LOG', 'RESET');     # of who came before the user
is(wait_stream($n += 20), $n, 'Redis was away: events waited');
is(metric('dropped'), $dropped, 'and none was dropped');

# changes of state: in a file, for Redis was away when some were told

ok($t->wait_for(sub {
       my @actions = actions();
       return 2 <= grep { /^redis-back$/ } @actions;
   }), 'Redis lost and back') or diag(join ' ', actions());

my $actions = join ' ', actions();

like($actions, qr/redis-lost .*redis-back .*redis-lost .*redis-back/,
     'one after the other');
like($actions, qr/audit-dropping .*audit-dropped/, 'events that were dropped');

# a quota that is used up

my @before = actions();

is(join(' ', map { status('/few/small', 'dave') } 1 .. 11),
   join(' ', (200) x 10, 429), 'a quota is used up');
ok($t->wait_for(sub { 2 <= grep { /^quota/ } actions() }), 'and told');
is(join(' ', grep { /^quota/ } actions()), 'quota-80 quota-100',
   '80 %, and all of it, once each');

($e) = grep { $_->{'event.action'} eq 'quota-80' } states();
is(join(' ', $e->{'user.name'}, $e->{'rule.name'},
        map { $e->{'gate.quotas'}[0]{$_} } qw(name limit used)),
   'dave requests-1h requests-1h 10 8', 'whose, and how it stands');

# a database that is replaced

$t->countries('203.0.113.0/24' => 'DE');
ok($t->wait_for(sub { grep { /^file-reloaded$/ } actions() }),
   'a database was reloaded');
$t->write_file('country.mmdb', "nothing of the kind\n");
ok($t->wait_for(sub { grep { /^file-refused$/ } actions() }),
   'or refused');
($e) = grep { $_->{'event.action'} eq 'file-refused' } states();
is($e->{'gate.subject'}, $t->dir . '/country.mmdb', 'which one');

# the stream is cut

$t->countries('203.0.113.0/24' => 'JP');
$nginx->reload(conf(1000));
ask('/free/small', 3000);
ok($t->wait_for(sub {
       my $len = $redis->command('XLEN', 'gate:events');
       return $len >= 1000 && $len < 1200
              && (stream())[-1]{'gate.document'} eq '/free/small';
   }), 'the stream keeps about so many events')
    or diag($redis->command('XLEN', 'gate:events'));

# it needs no more rights than the README says, but those

is_deeply([ grep { $_ ne 'config|get' } map { { @$_ }->{object} }
            @{ $redis->command('ACL', 'LOG') } ],
          [], 'Redis denied nothing but what the gate can do without');
$redis->command('ACL', 'SETUSER', 'gate', '-xadd');
ask('/free/small', 3);
ok($t->wait_for(sub { $nginx->said(qr/redis does not take events: "ERR/) }),
   'without +xadd Redis refuses, and the log says so');

$t->done;


sub conf {
    my ($maxlen) = @_;

    $maxlen = $maxlen ? "maxlen=$maxlen" : '';

    return $t->conf(workers => 1, http => <<'END', server => <<"END2")
    gate_redis {
        server         unix:%%DIR%%/redis0.sock;
        username       gate;
        password_file  %%DIR%%/password;
    }

    map $uri $project { ~/(?<p>[^/]+)$ $p; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        project      $project;
        quota        bytes=1g per=day %%NOON%%;
    }

    gate_policy few {
        certificate  off;
        user         $http_x_user;
        quota        requests=10 per=1h;
    }

    gate_policy free { certificate off; user $http_x_user; }
END
        gate        counted;
        gate_audit  redis events=download,refused $maxlen;
        gate_audit  file %%DIR%%/state.json events=state;

        gzip        on;
        gzip_types  *;

        location /free/     { gate free; alias %%DIR%%/docs/; }
        location /few/      { gate few; alias %%DIR%%/docs/; }
        location = /metrics { gate off; gate_metrics; }
END2
        =~ s/%%NOON%%/$t->noon/er
        =~ s/(gate_geoip [^;]+)/$1 reload=100ms/r;
}


# a request, and what the client got

sub take {
    my ($http, $user, $name, %o) = @_;

    my $r = $t->as($http, $user, "/$name", from => '203.0.113.1', %o);

    $got{"/$name"} += length $r->{body};
}


sub ask {
    my ($uri, $n) = @_;

    my $client = $t->client;
    my %statuses;

    for (1 .. $n) {
        my $r = $client->request($uri, from => '203.0.113.1',
                                 headers => { 'X-User' => 'alice' });

        $statuses{ $r->{status} }++;
        $client = $t->client
            if ($r->{headers}{connection} // '') eq 'close' || !$r->{status};
    }

    return %statuses;
}


sub status {
    my ($uri, $user) = @_;

    return $t->get($uri, from => '203.0.113.1',
                   headers => { 'X-User' => $user })->{status};
}


sub stream {
    return map { JSON::PP->new->utf8->decode($_->[1][1]) }
           @{ $redis->command('XRANGE', 'gate:events', '-', '+') };
}


sub wait_stream {
    my ($n) = @_;

    my $len;

    $t->wait_for(sub {
        ($len = $redis->command('XLEN', 'gate:events')) >= $n;
    });

    return $len;
}


sub states {
    return map { JSON::PP->new->utf8->decode($_) }
           split /\n/, $t->read_file('state.json');
}


sub actions { return map { $_->{'event.action'} } states() }


sub metric {
    my ($result) = @_;

    my ($value) = $t->get('/metrics')->{body}
        =~ /^nginx_gate_audit_events_total
            \{sink="redis",result="$result"\}\ (\d+)$/mx;

    return $value;
}


# of the worker, KiB

sub rss {
    my ($worker) = $nginx->workers;

    return $t->read_file("/proc/$worker/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0;
}
