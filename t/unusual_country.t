#!/usr/bin/perl

# Countries that are unusual for a user: learned, refused, reported, confirmed
# and forgotten, by two gateways with one Redis, whose clock stands at noon.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my %from = (JP => '203.0.113.5', DE => '198.51.100.5', FR => '192.0.2.5',
            nowhere => '100.64.0.5', office => '198.51.100.200');

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP', '198.51.100.0/24' => 'DE',
              '192.0.2.0/24' => 'FR');
$t->document('report', 1000);

my $redis = $t->redis(ahead => 43200 - time % 86400);
my $today = int($redis->command('TIME')->[0] / 86400);

my $conf = $t->conf(http => <<'END', server => <<'END2');
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    keepalive_requests  5000;

    gate_policy deny {
        certificate      off;
        user             $http_x_user;
        deny_country     FR;
        unusual_country  deny;
        allow_network    198.51.100.200;
    }

    gate_policy quick {
        certificate      off;
        user             $http_x_user;
        unusual_country  deny learn=0d min_days=1 remember=30d;
        quota            bytes=1g per=1h;
    }

    gate_policy report {
        certificate      off;
        user             $http_x_user;
        unusual_country  report;
    }

    gate_policy named {
        certificate      off;
        user             $http_x_user;
        unusual_country  deny;
        usual_country    JP $arg_usual;
    }
END
        add_header  Said "$gate_verdict $gate_reason $gate_notice" always;

        location /deny/    { gate deny;    alias %%DIR%%/docs/; }
        location /quick/   { gate quick;   alias %%DIR%%/docs/; }
        location /report/  { gate report;  alias %%DIR%%/docs/; }
        location /named/   { gate named;   alias %%DIR%%/docs/; }
        location /dry/     { gate deny;    alias %%DIR%%/docs/;
                             gate_dry_run on; }
        location = /metrics { gate off; gate_metrics; }
END2

my @ports = ($t->{port}, $t->port);
my ($nginx) = map { $t->nginx($conf, port => $_) } @ports;

# who is new is learned

is(at('deny', 'new', 'JP'), '200 PASSED', 'a new user passes');
written('new', 'deny', "JP=$today since=$today", 'and his day is written');
is(at('deny', 'new', 'DE'), '200 PASSED', 'from another country, too');
written('new', 'deny', "DE=$today JP=$today since=$today", 'which is written');
is(at('deny', 'new', 'nowhere'), '200 PASSED', 'and from nowhere');
written('new', 'deny', "DE=$today JP=$today since=$today unknown=$today",
        'which is a country of its own');
is(at('deny', 'new', 'FR'), '403 DENIED country', 'but a list comes first');

# who is known is refused where he never was

known('alice', 'deny', JP => [ 1, 2, 3 ]);
is(at('deny', 'alice', 'JP'), '200 PASSED', 'a usual country');
written('alice', 'deny', join(' ', 'JP=' . join(',', days(0, 1, 2, 3)),
                              'since=' . ($today - 50)),
        'this day is added to the others');
is(at('deny', 'alice', 'DE'), '403 DENIED unusual_country', 'an unusual one');
is(at('deny', 'alice', 'nowhere'), '403 DENIED unusual_country',
   'nowhere is unusual');
is(at('deny', 'alice', 'DE', port => $ports[1]),
   '403 DENIED unusual_country', 'on the other gateway');
is(at('deny', 'alice', 'JP', port => $ports[1]), '200 PASSED',
   'and the usual one there');
is(at('deny', 'alice', 'office'), '200 PASSED', 'an exempt network passes');
is(countries('alice', 'deny'), 'JP since', 'none of that was learned');
is($nginx->said(qr/gate: refused: unusual_country, policy "deny"/), 2,
   'the error log says it');
is($nginx->said(qr/ policy "deny", user "alice", country DE,/), 1,
   'of whom, and where');

known('bob', 'deny', JP => [ 88, 89, 90 ], DE => [ 1, 2, 88 ]);
is(at('deny', 'bob', 'JP'), '403 DENIED unusual_country',
   'a country that he was in too long ago');
is(at('deny', 'bob', 'DE'), '200 PASSED', 'and one that he was in lately');

known('seldom', 'deny', JP => [ 30, 40 ]);
is(at('deny', 'seldom', 'DE'), '200 PASSED',
   'who has no usual country at all is learned');

# two gateways share what they learn

is(at('quick', 'carol', 'JP'), '200 PASSED', 'learned by one gateway');
written('carol', 'quick', "JP=$today since=$today", 'and written');
is(at('quick', 'carol', 'DE', port => $ports[1]),
   '403 DENIED unusual_country', 'the other refuses all else');
is(at('quick', 'carol', 'JP', port => $ports[1]), '200 PASSED',
   'and lets pass what is usual');

# an administrator confirms, and forgets

$redis->command('HSET', 'gate:{carol}:quick/countries', 'DE', 'always');
$redis->command('HINCRBY', 'gate:epoch', 'marks', 1);
becomes('quick', 'carol', 'DE', '200 PASSED', 'confirmed');
$redis->command('HDEL', 'gate:{carol}:quick/countries', 'DE');
$redis->command('HINCRBY', 'gate:epoch', 'marks', 1);
becomes('quick', 'carol', 'DE', '403 DENIED unusual_country', 'forgotten');

# a report refuses nobody, and learns

known('dave', 'report', JP => [ 1, 2, 3 ], DE => [ 5 ]);
is(at('report', 'dave', 'JP'), '200 PASSED', 'report: a usual country');
is(at('report', 'dave', 'DE'), '200 PASSED notice=unusual_country',
   'report: an unusual one passes, with a notice');
written('dave', 'report', sub { $_[0] =~ /DE=$today,/ }, 'report: it counts');
is($nginx->said(qr/ passed, notice: unusual_country, policy "report", user /),
   1, 'report: it is logged');
is($t->metric('notices_total{notice="unusual_country"}', 1), 1,
   'report: it is counted');

# a dry run neither refuses nor learns

known('erin', 'deny', JP => [ 1, 2, 3 ]);
is(at('dry', 'erin', 'DE'), '200 DENIED_DRY_RUN unusual_country',
   'a dry run lets pass');
is(at('dry', 'erin', 'JP'), '200 PASSED', 'and what is usual is so');
is(countries('erin', 'deny'), 'JP since', 'but it learns nothing of it');

# countries that a policy names

is(at('named', 'frank', 'JP'), '200 PASSED', 'usual for all');
written('frank', 'named', "JP=$today since=$today", 'is learned all the same');
is(at('named', 'frank', 'DE'), '200 PASSED', 'while others are learned');
known('frank', 'named');
is(at('named', 'frank', 'FR'), '403 DENIED unusual_country',
   'after that others are refused, though he has none of his own');
is(at('named', 'frank', 'FR', arg => 'usual=FR'), '200 PASSED',
   "unless they are this user's");
is(at('named', 'frank', 'FR', arg => 'usual=France'),
   '503 DENIED unavailable', 'a list that is none');

# a usual user costs Redis nothing

known('grace', 'deny', JP => [ 1, 2, 3 ]);

my $client = $t->client(port => $ports[0]);

passed($client, 'grace', 1);
written('grace', 'deny', sub { $_[0] =~ /JP=$today,/ }, 'a day is written');
passed($client, 'grace', 1);

my $before = $redis->calls('eval', 'evalsha');
my $began = time;

is(passed($client, 'grace', 1000), 1000, '1,000 requests pass');

# each host beats once a second, for other reasons, and tells of usage

my $sent = $redis->calls('eval', 'evalsha') - $before;

cmp_ok($sent, '<=', 4 * (time - $began + 2),
       "of which Redis heard nothing ($sent)");

$t->done;

sub at {
    my ($policy, $user, $from, %o) = @_;

    my $uri = "/$policy/report" . ($o{arg} ? "?$o{arg}" : '');
    my $r = $t->as('1.1', $user, $uri, from => $from{$from}, close => 1,
                   port => $o{port} // $ports[0]);
    my ($verdict, $reason, $notice) = split / /, $r->{headers}{said}, -1;

    return join ' ', $r->{status}, $verdict, $reason || (),
                     $notice ? "notice=$notice" : ();
}

sub becomes {
    my ($policy, $user, $from, $said, $what) = @_;

    for my $n (0, 1) {
        my $got;

        $t->wait_for(sub {
            $got = at($policy, $user, $from, port => $ports[$n]);
            return $got eq $said;
        });

        is($got, $said, "$what: gateway $n");
    }
}

sub days { return join ',', map { $today - $_ } @_ }

# A user who was first seen 50 days ago, and in countries on these days before
# today; no gateway has him in mind, at least not there.

sub known {
    my ($user, $policy, %days) = @_;

    my $key = "gate:{$user}:$policy/countries";

    $redis->command('DEL', $key);
    $redis->command('HSET', $key, 'since', $today - 50,
                    map { $_ => days(@{ $days{$_} }) } keys %days);
}

sub hash {
    my ($user, $policy) = @_;

    my %hash = @{ $redis->command('HGETALL', "gate:{$user}:$policy/countries")
                  };

    return join ' ', map { "$_=$hash{$_}" } sort keys %hash;
}

sub countries { return hash(@_) =~ s/=\S+//gr }

sub written {
    my ($user, $policy, $want, $what) = @_;

    my $is = ref $want ? $want : sub { $_[0] eq $want };

    $t->wait_for(sub { $is->(hash($user, $policy)) });
    ok($is->(hash($user, $policy)), $what) or diag(hash($user, $policy));
}

sub passed {
    my ($client, $user, $n) = @_;

    return scalar grep {
        $client->request('/deny/report', from => $from{JP},
                         headers => { 'X-User' => $user })->{status} == 200
    } 1 .. $n;
}
