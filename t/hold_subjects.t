#!/usr/bin/perl

# Whom a hold may be about: a user, a certificate, an organisation, a project, a
# country, or everything; until when; and the softer form, which slows.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $mib = 1024 * 1024;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP', '198.51.100.0/24' => 'DE');
$t->certificate('alice', email => 'alice@example.jp',
                config => "O = Example Corp\nCN = alice\n");
$t->certificate('bob', email => 'bob@example.jp',
                config => "O = Other\nCN = bob\n");
$t->document('small', 1000);
$t->document('large', 32 * $mib);
$t->document("projects/$_/plan", 1000) for qw(tower bridge);

my $redis = $t->redis;
my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    map $uri $project { ~^/projects/(?<p>[^/]+)/ $p; }

    log_format holds '$status "$gate_verdict" "$gate_reason" "$gate_hold" $uri';

    gate_policy staff {
        user     $gate_cert_email;
        project  $project;
        quota    requests=100000 per=1h;
    }

    gate_policy uncounted { certificate off; }
END
        gate  staff;
        access_log  %%DIR%%/holds.log holds;
        location /dry { gate_dry_run on; alias %%DIR%%/docs/small; }
        location /dry_large {
            gate_dry_run on; limit_rate 4m; alias %%DIR%%/docs/large;
        }
        location /open { gate uncounted; alias %%DIR%%/docs/small; }
        location = /metrics { gate off; gate_metrics; }
        location = /large { limit_rate 4m; }
END2

is(status('alice'), 200, 'nobody is held');

my $print = qx(openssl x509 -noout -fingerprint -sha256 -in @{[ $t->dir ]}/alice.crt);
my ($digest) = $print =~ /=(\S+)/;

for ([ user => 'user=alice@example.jp' ],
     [ certificate => "certificate=$digest" ],
     [ 'certificate, in lower case', 'certificate=' . lc $digest =~ s/://gr ],
     [ organisation => 'org=Example%20Corp' ])
{
    my ($what, $hold) = @$_;

    $t->hold($redis, 'h', $hold);
    ok($t->wait_for(sub { status('alice') == 403 }), "$what: held");
    is(status('bob'), 200, "$what: others pass");
    $t->hold($redis, 'h', undef);
    ok($t->wait_for(sub { status('alice') == 200 }), "$what: lifted");
}

# a project

$t->hold($redis, 'h', 'project=tower');
ok($t->wait_for(sub { status('alice', uri => '/projects/tower/plan') == 403 }),
   'project: held');
is(status('bob', uri => '/projects/tower/plan'), 403, 'for all');
is(status('bob', uri => '/projects/bridge/plan'), 200, 'others are not');
is(status('bob'), 200, 'nor what is none');

# a country, and who is nowhere

$t->hold($redis, 'h', 'country=DE');
ok($t->wait_for(sub { status('alice', from => '198.51.100.1') == 403 }),
   'country: held');
is(status('alice', from => '203.0.113.1'), 200, 'others pass');
is(status('alice'), 200, 'who is nowhere, too');
$t->hold($redis, 'h', 'country=unknown');
ok($t->wait_for(sub { status('alice') == 403 }), 'who is nowhere: held');
is(status('alice', from => '198.51.100.1'), 200, 'others pass');

# everything, under each policy

$t->hold($redis, 'h', 'all reason=the house is on fire');
ok($t->wait_for(sub { status('alice') == 403 }), 'everything: held');
is(status('bob'), 403, 'for all');
is($t->get('/open')->{status}, 403, 'under each policy');

# a dry run is told

is(status('bob', uri => '/dry'), 200, 'in a dry run it passes');
ok($t->wait_for(sub {
       $t->read_file('holds.log')
       =~ m{^200 "DENIED_DRY_RUN" "held" "h" /dry$}m
   }), 'and the log tells');
ok($t->wait_for(sub {
       $t->read_file('holds.log') =~ m{^403 "DENIED" "held" "h" /small$}m
   }), 'of what was refused, too');

$t->hold($redis, 'h', undef);
ok($t->wait_for(sub { status('alice') == 200 }), 'lifted');

my $slow = download('alice', '/dry_large');
ok($t->wait_for(sub { size($slow) > 0 }), 'a download in a dry run');
$t->hold($redis, 'h', 'all');
ok($t->wait_for(sub { status('alice') == 403 }), 'everything is held');
ok($t->wait_for(sub { size($slow) == 32 * $mib }, 60), 'it goes on to its end');
$t->hold($redis, 'h', undef);
ok($t->wait_for(sub { status('alice') == 200 }), 'lifted');

# until when: an end by itself; one that is past holds nobody

my $now = $redis->command('TIME')->[0];

$t->hold($redis, 'h', 'user=alice@example.jp until=' . ($now - 5));
$t->hold($redis, 'i', 'user=bob@example.jp');
ok($t->wait_for(sub { status('bob') == 403 }), 'two holds');
is(status('alice'), 200, 'one of which is past');
ok($t->wait_for(sub {
       $t->get('/metrics')->{body} =~ /^nginx_gate_holds 1$/m
   }), 'metrics count one');

$t->hold($redis, 'h', 'user=alice@example.jp until=' . ($now + 8));
ok($t->wait_for(sub { status('alice') == 403 }, 5), 'held for some seconds');
ok($t->wait_for(sub { status('alice') == 200 }, 15), 'which ends by itself');
ok($t->wait_for(sub { $redis->command('TIME')->[0] >= $now + 8 }),
   'and not before');
$t->hold($redis, 'i', undef);
ok($t->wait_for(sub { status('bob') == 200 }), 'the other is lifted');

# the strictest of several

$t->hold($redis, 'slow', 'org=Example%20Corp slow=1m');
$t->hold($redis, 'stop', 'user=alice@example.jp');
ok($t->wait_for(sub { status('alice') == 403 }), 'the strictest holds');
$t->hold($redis, 'stop', undef);
$t->hold($redis, 'slow', undef);
ok($t->wait_for(sub { status('alice') == 200 }), 'lifted');

# slow: what is under way, over both protocols, and what begins; then as before

my @downloads = map { download(@$_) } [ 'alice', '/large', '1.1' ],
                                      [ 'alice', '/large', '2' ],
                                      [ 'bob', '/large', '1.1' ];

ok($t->wait_for(sub { 3 == grep { size($_) > 2 * $mib } @downloads }),
   'downloads run');
$t->hold($redis, 's', 'user=alice@example.jp slow=4k');
ok($t->wait_for(sub { $nginx->said(qr/hold s is set: user .*, slow/) }),
   'alice is slowed');
push @downloads, download('alice', '/large', '1.1');

# bob's, with the rate of before, is whole long before alice's have moved on

ok($t->wait_for(sub { size($downloads[2]) == 32 * $mib }, 60),
   'others are not slowed');

my @sizes = map { size($downloads[$_]) } 0, 1;

cmp_ok($sizes[0], '<', 24 * $mib, 'HTTP/1.1: slow');
cmp_ok($sizes[1], '<', 24 * $mib, 'HTTP/2: slow');
cmp_ok(size($downloads[3]), '<', 2 * $mib, 'and one that began then');
is(status('alice'), 200, 'nothing is refused');
ok($t->wait_for(sub {
       $t->read_file('holds.log') =~ m{^200 "PASSED" "-" "s" /small$}m
   }), 'the log names the hold');

$t->hold($redis, 's', undef);
ok($t->wait_for(sub { 32 * $mib == size($downloads[0]) }, 60),
   'lifted: HTTP/1.1 goes on as before');
ok($t->wait_for(sub { 32 * $mib == size($downloads[1]) }, 60), 'HTTP/2');
ok($t->wait_for(sub { 32 * $mib == size($downloads[3]) }, 60), 'the last');

waitpid $_->{pid}, 0 for $slow, @downloads;

$t->done;

sub status {
    my ($who, %o) = @_;

    return $t->get($o{uri} // '/small', cert => $who, %o)->{status};
}

my $n;

sub download {
    my ($who, $uri, $http) = @_;

    my $file = $t->dir . '/download' . ++$n;
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec 'curl', '-q', '-s', '--insecure', '--http' . ($http // '1.1'),
             '--cert', $t->dir . "/$who.pem", '-o', $file,
             'https://127.0.0.1:' . $t->{port} . $uri;
        exit 127;
    }

    return { pid => $pid, file => $file };
}

sub size { return -s $_[0]{file} // 0 }
