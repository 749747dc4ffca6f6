#!/usr/bin/perl

# Journeys that nobody can make: refused and reported by two gateways with one
# Redis; whoever comes first is where the user is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my %place = (
    Tokyo     => [ '203.0.113.1', 'JP', 35.6895, 139.6917, 20 ],
    Osaka     => [ '203.0.113.2', 'JP', 34.6937, 135.5023, 20 ],
    Seoul     => [ '198.51.100.1', 'KR', 37.5665, 126.978, 20 ],
    Frankfurt => [ '198.51.100.2', 'DE', 50.1109, 8.6821, 20 ],
    Alsace    => [ '198.51.100.3', 'FR', 49.0377, 7.9461, 20 ],   # 130 km off
    vague     => [ '198.51.100.4', 'DE', 50, 8, 9500 ],
    Suva      => [ '2001:db8::1', 'FJ', -18.1416, 178.4419, 20 ],
);

my %from = (nowhere => '192.0.2.1', office => '192.0.2.200',
            map { $_ => $place{$_}[0] } keys %place);

my $hour = 3_600_000;

my $t = Test::Gate->new;

$t->document('report', 1000);

Test::Gate::Countries::database("$t->{dir}/country.mmdb",
    type => 'GeoLite2-City', networks => {
        '192.0.2.200/32' => city('US', 40, -74, 20),
        map { my ($ip, @city) = @{ $place{$_} };
              $ip . ($ip =~ /:/ ? '/128' : '/32') => city(@city) }
            keys %place });

my $redis = $t->redis;

my $conf = $t->conf(http => <<'END', server => <<'END2');
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    keepalive_requests  5000;

    gate_policy deny {
        certificate    off;
        user           $http_x_user;
        max_speed      900km/h deny;
        allow_network  192.0.2.200;
    }

    gate_policy report {
        certificate  off;
        user         $http_x_user;
        max_speed    900km/h report min_distance=0km;
    }

    gate_policy near {
        certificate  off;
        user         $http_x_user;
        max_speed    900km/h deny min_distance=1200km;
    }

    gate_policy all {
        certificate      off;
        user             $http_x_user;
        unusual_country  deny learn=0d min_days=1;
        max_speed        900km/h deny;
        quota            requests=3 per=day;
    }

    gate_policy lenient {
        certificate  off;
        user         $http_x_user;
        max_speed    900km/h deny;
        store_down   allow=1m;
    }
END
        add_header  Said "$gate_verdict $gate_reason $gate_notice" always;

        location /deny/     { gate deny;     alias %%DIR%%/docs/; }
        location /report/   { gate report;   alias %%DIR%%/docs/; }
        location /near/     { gate near;     alias %%DIR%%/docs/; }
        location /all/      { gate all;      alias %%DIR%%/docs/; }
        location /lenient/  { gate lenient;  alias %%DIR%%/docs/; }
        location /dry/      { gate deny;     alias %%DIR%%/docs/;
                              gate_dry_run on; }
        location = /metrics { gate off; gate_metrics; }
END2

my @ports = ($t->{port}, $t->port);

$t->write_file('later', "\0" x 8);

my ($nginx) = map { $t->nginx($conf, port => $_,
                              $_ == $ports[0] ? (later => "$t->{dir}/later")
                                              : ()) } @ports;

# the first place wins, on both gateways

is(at('deny', 'alice', 'Tokyo'), '200 PASSED', 'a first place');
is(place('alice', 'deny'), '35.6895 139.6917 20 JP', 'is written');
is(at('deny', 'alice', 'Frankfurt', port => $_), '403 DENIED speed',
   "another is too far, gateway $_") for @ports;
is(at('deny', 'alice', 'Suva'), '403 DENIED speed', 'as is one of IPv6');
is(place('alice', 'deny'), '35.6895 139.6917 20 JP',
   'who is refused moves nobody');
is(at('deny', 'alice', 'Tokyo', port => $_), '200 PASSED',
   "he stays where he was, gateway $_") for @ports;
is(at('deny', 'bob', 'Frankfurt'), '200 PASSED', 'another user is elsewhere');
is($nginx->said(qr/ refused: speed, policy "deny", user "alice", country DE,/),
   1, 'the error log says it');

# addresses of one country, and what is near

is(at('deny', 'alice', $_), '200 PASSED', "within one country: $_")
    for qw(Osaka Tokyo Osaka);
is(at('deny', 'bob', 'Alsace'), '200 PASSED', 'nearer than min_distance');
is(at('deny', 'bob', 'vague', port => $ports[1]), '200 PASSED',
   'perhaps near: 9,500 km around');
is(at('near', 'carol', 'Tokyo'), '200 PASSED', 'min_distance=1200km');
is(at('near', 'carol', 'Seoul'), '200 PASSED', 'Seoul is 1,150 km from there');
is(at('near', 'carol', 'Frankfurt'), '403 DENIED speed', 'Frankfurt is not');

# whom nobody can place, and an office

is(at('deny', 'alice', $_), '200 PASSED', "not judged: $_")
    for qw(nowhere office);
is(place('alice', 'deny'), '35.6895 139.6917 20 JP', 'and no place');

# time passes

was('dave', 'deny', 'Tokyo', 1);
is(at('deny', 'dave', 'Frankfurt'), '403 DENIED speed', 'after an hour');
was('erin', 'deny', 'Tokyo', 13);
is(at('deny', 'erin', 'Frankfurt'), '200 PASSED', 'after 13 hours');
is(place('erin', 'deny'), '50.1109 8.6821 20 DE', 'there he is now');
is(at('deny', 'erin', 'Tokyo', port => $ports[1]), '403 DENIED speed',
   'and not where he was, on the other gateway');
is(at('deny', 'erin', 'Tokyo'), '403 DENIED speed', 'nor on this one');

# another gateway was told the old place some time ago, and asks again

was('frank', 'deny', 'Tokyo', 13);
is(at('deny', 'frank', 'Osaka', port => $ports[0]), '200 PASSED',
   'one gateway knows a place');
was('frank', 'deny', 'Seoul', 13);
is(at('deny', 'frank', 'Frankfurt', port => $ports[1]), '200 PASSED',
   'the other hears that he left it');
changed();
is(at('deny', 'frank', 'Tokyo', port => $ports[0]), '403 DENIED speed',
   'the first, too, when it asks again');

# many at once, from two places and by two gateways: all of one pass

for my $user (map { "first$_" } 1 .. 10) {
    my @said = $t->parallel(4, sub {
        my ($n) = @_;

        return join ' ', map {
            at('deny', $user, $n % 2 ? 'Tokyo' : 'Suva',
               port => $ports[$n / 2]) =~ s/ .*//r
        } 1 .. 5;
    });

    like(join('; ', @said[0, 2, 1, 3]),
         qr/^(?:(?:200[ ;]*){10}(?:403[ ;]*){10}
               |(?:403[ ;]*){10}(?:200[ ;]*){10})$/x, "two places: one wins");
}

# a report refuses nobody, and tells just what would be refused

is(at('report', 'gina', 'Tokyo'), '200 PASSED', 'report: a first place');
is(at('report', 'gina', 'Frankfurt'), '200 PASSED notice=speed',
   'report: one too far passes, with a notice') for 1, 2;
is(at('report', 'gina', 'Tokyo'), '200 PASSED', 'report: he stays');
is($nginx->said(qr/ passed, notice: speed, policy "report", user "gina"/), 2,
   'report: it is logged');
is($t->metric('notices_total{notice="speed"}', 2), 2, 'report: it is counted');

is(at('dry', 'alice', 'Frankfurt'), '200 DENIED_DRY_RUN speed',
   'a dry run passes');
is(at('dry', 'alice', 'Tokyo'), '200 PASSED', 'and moves nobody');

# with other rules

is(at('all', 'henry', 'Tokyo'), '200 PASSED', 'with other rules');
$t->wait_for(sub { $redis->command('EXISTS', 'gate:{henry}:all/countries') });
is(at('all', 'henry', 'Seoul', port => $ports[1]),
   '403 DENIED unusual_country', 'an unusual country is refused as such');
$redis->command('HSET', 'gate:{henry}:all/countries', 'KR', 'always');
changed();
is(becomes('all', 'henry', 'Seoul'), '403 DENIED speed', 'a usual one, as far');
is(at('all', 'henry', 'Tokyo'), '200 PASSED', 'who was refused has taken none')
    for 2, 3;
is(at('all', 'henry', 'Tokyo'), '429 DENIED quota', 'of three');

# an administrator forgets a place

is(at('deny', 'ida', 'Tokyo', port => $_), '200 PASSED', 'a place') for @ports;
$redis->command('DEL', 'gate:{ida}:deny/place');
changed();
is(becomes('deny', 'ida', 'Frankfurt'), '200 PASSED', 'is forgotten');

# Redis forgets, gateways do not

is(at('deny', 'jack', 'Tokyo'), '200 PASSED', 'a place');
$redis->command('FLUSHALL');
is(becomes('deny', 'jack', 'Tokyo'), '200 PASSED', 'Redis forgot');
$t->wait_for(sub { at('deny', 'jack', 'Frankfurt');
                   place('jack', 'deny') });
is(place('jack', 'deny'), '35.6895 139.6917 20 JP', 'it is told again');
is(at('deny', 'jack', 'Frankfurt', port => $ports[1]), '403 DENIED speed',
   'so that nobody else is first');

# a minute later a gateway asks again, and nobody is written where he cannot be

at('deny', $_, 'Tokyo') for qw(nora otto pete);
was('nora', 'deny', 'Suva', 0);
is(at('deny', 'nora', 'Tokyo'), '200 PASSED', 'what one gateway knows');
$nginx->later(61);
is(at('deny', 'nora', 'Tokyo'), '403 DENIED speed', 'a minute later it asks');
is(at('deny', 'otto', 'Suva'), '403 DENIED speed', 'he cannot be there');
is(place('otto', 'deny'), '35.6895 139.6917 20 JP', 'nor is he');

is(at('deny', 'pete', 'Osaka'), '200 PASSED', 'who is in the same country is');
is(place('pete', 'deny'), '34.6937 135.5023 20 JP', 'and is written there');

# a usual user costs Redis nothing

my $client = $t->client(port => $ports[0]);

passed($client, 1);

my $before = $redis->calls('eval', 'evalsha');
my $began = time;

is(passed($client, 1000), 1000, '1,000 requests pass');

# each host beats once a second, for other reasons, and tells of usage; a minute
# may be over

my $sent = $redis->calls('eval', 'evalsha') - $before;

cmp_ok($sent, '<=', 3 * (time - $began + 2) + 1,
       "of which Redis heard nothing ($sent)");

# neither does who is refused where he cannot be

at('deny', 'kate', 'Tokyo');
at('deny', 'kate', 'Frankfurt');
$before = $redis->calls('eval', 'evalsha');
$began = time;
is(join(' ', grep { $_ ne '403 DENIED speed' }
             map { at('deny', 'kate', 'Frankfurt') } 1 .. 50), '',
   '50 requests are refused');
$sent = $redis->calls('eval', 'evalsha') - $before;
cmp_ok($sent, '<=', 3 * (time - $began + 2) + 1,
       "of which Redis heard nothing, either ($sent)");

# Redis is away

at('lenient', 'kate', 'Tokyo');
$redis->stop;

is(at('deny', 'kate', 'Tokyo'), '200 PASSED',
   'Redis is away: who is where he was passes');
is(at('deny', 'kate', 'Frankfurt'), '403 DENIED speed',
   'who cannot be where he is does not');
$nginx->later(200);
is(at('deny', 'kate', 'Osaka'), '200 PASSED',
   'nor has to be asked of that for long');
is(at('deny', 'kate', 'Frankfurt'), '503 DENIED unavailable',
   'of others nobody can say then');
is(at('deny', 'leo', 'Tokyo'), '503 DENIED unavailable',
   'nor of new ones');
is(at('deny', 'leo', 'nowhere'), '200 PASSED', 'or need');
is(at('lenient', 'leo', 'Tokyo'), '200 PASSED', '"store_down allow" lets pass');
is(at('report', 'leo', 'Tokyo'), '200 PASSED', 'what only reports does, too');

$redis->start;
is(becomes('deny', 'leo', 'Tokyo', '200 PASSED'), '200 PASSED',
   'Redis is back, and so is he');

# nonsense in a hash

$redis->command('SET', 'gate:{mary}:deny/place', 'a text');
is(at('deny', 'mary', 'Tokyo'), '503 DENIED unavailable',
   'a key that is no hash');

$t->done;

sub city {
    my ($country, $latitude, $longitude, $radius) = @_;

    return { country => { iso_code => $country },
             location => { latitude => $latitude, longitude => $longitude,
                           accuracy_radius => $radius } };
}

sub at {
    my ($policy, $user, $from, %o) = @_;

    my $r = $t->as('1.1', $user, "/$policy/report", from => $from{$from},
                   close => 1, port => $o{port} // $ports[0]);
    my ($verdict, $reason, $notice) = split / /, $r->{headers}{said} // '', -1;

    return join ' ', $r->{status}, $verdict, $reason || (),
                     $notice ? "notice=$notice" : ();
}

# What it comes to once something has changed, or what it is after a while.

sub becomes {
    my ($policy, $user, $from, $said) = @_;

    my $got;

    $said //= qr/ speed$|^200/;
    $said = qr/^\Q$said\E$/ unless ref $said;

    $t->wait_for(sub { ($got = at($policy, $user, $from)) =~ $said });

    return $got;
}

# Redis has a user's last place, of so many hours ago.

sub was {
    my ($user, $policy, $where, $hours) = @_;

    my ($seconds) = @{ $redis->command('TIME') };
    my (undef, $country, @map) = @{ $place{$where} };

    $redis->command('HSET', "gate:{$user}:$policy/place", number => 1,
                    at => $seconds * 1000 - $hours * $hour,
                    place => sprintf '%.4f %.4f %d %s', @map, $country);
}

sub place {
    my ($user, $policy) = @_;

    return $redis->command('HGET', "gate:{$user}:$policy/place", 'place');
}

# Has both gateways look again: they have heard of it when each has asked for
# the last place of somebody whom it knew already.

sub changed {
    $redis->command('HINCRBY', 'gate:epoch', 'marks', 1);

    for my $port (@ports) {
        my $user = "watch$port";

        $redis->command('DEL', "gate:{$user}:deny/place");
        $t->wait_for(sub { at('deny', $user, 'Tokyo', port => $port);
                           place($user, 'deny') });
    }
}

sub passed {
    my ($client, $n) = @_;

    return scalar grep {
        $client->request('/deny/report', from => $from{Tokyo},
                         headers => { 'X-User' => 'alice' })->{status} == 200
    } 1 .. $n;
}
