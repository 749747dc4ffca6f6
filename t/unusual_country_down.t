#!/usr/bin/perl

# Redis is away, or forgot: lists still decide, who is known to be where he
# usually is passes, and a gateway tells again what it knows of a user.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my %from = (JP => '203.0.113.5', DE => '198.51.100.5', FR => '192.0.2.5');

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP', '198.51.100.0/24' => 'DE',
              '192.0.2.0/24' => 'FR');
$t->document('report', 1000);

my $ahead = 43200 - time % 86400;
my $redis = $t->redis(ahead => $ahead);
my $today = today();

my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy strict {
        certificate      off;
        user             $http_x_user;
        deny_country     FR;
        unusual_country  deny learn=2d min_days=2 remember=30d;
    }

    gate_policy lenient {
        certificate      off;
        user             $http_x_user;
        deny_country     FR;
        unusual_country  deny;
        store_down       allow=1m;
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
        usual_country    JP;
    }
END
        add_header  Said "$gate_verdict $gate_reason $gate_notice" always;

        location /strict/   { gate strict;   alias %%DIR%%/docs/; }
        location /lenient/  { gate lenient;  alias %%DIR%%/docs/; }
        location /report/   { gate report;   alias %%DIR%%/docs/; }
        location /named/    { gate named;    alias %%DIR%%/docs/; }
END2

# one day after the other, by Redis' clock; each time it is another server, and
# the gateway hears of it within a second

is(at('strict', 'alice', 'JP'), '200 PASSED', 'a first day');
written('alice', JP => "JP=$today since=$today", 'is written');

next_day();
written('alice', JP => 'JP=' . days(0, 1) . ' since=' . days(1), 'a second day');
is(at('strict', 'alice', 'DE'), '200 PASSED', 'he is still learned');
written('alice', DE => "DE=$today JP=" . days(0, 1) . ' since=' . days(1),
        'a first one elsewhere');

next_day();
written('alice', JP => 'DE=' . days(1) . ' JP=' . days(0, 1, 2) . ' since='
                       . days(2), 'a third day: two were enough');
is(at('strict', 'alice', 'DE'), '403 DENIED unusual_country',
   'but one is too few where he is no longer learned');

# Redis forgets

$redis->command('FLUSHALL');
written('alice', JP => sub { $_[0] =~ /^JP=[\d,]+ since=(\d+)$/
                             && $1 == $today - 2 },
        'Redis forgot: it is told again how long he is known, and where');
is(at('strict', 'alice', 'DE'), '403 DENIED unusual_country',
   'so that he is refused elsewhere');
unlike(hash('alice'), qr/DE/, 'which is not learned');

# Redis hangs: who waits passes when it goes on, who leaves is forgotten

my @waiting = map { $t->client } 1 .. 3;

$redis->halt;
$_->send('/strict/report', from => $from{JP}, headers => { 'X-User' => 'erin' })
    for @waiting;
is(at('strict', 'alice', 'JP'), '200 PASSED', 'Redis hangs: others pass');
$waiting[0]->close;
is(at('strict', 'alice', 'DE'), '403 DENIED unusual_country',
   'or are refused');
$redis->go_on;
is(join(' ', map { $_->response('GET')->{status} } @waiting[1, 2]), '200 200',
   'and it goes on: who waited passes');

# Redis is away

$redis->stop;

is(at('strict', 'alice', 'JP'), '200 PASSED',
   'Redis is away: who is known to be where he is usually passes');
is(at('strict', 'alice', 'DE'), '403 DENIED unusual_country',
   'who is known not to be is refused');
is(at('strict', 'bob', 'JP'), '503 DENIED unavailable',
   'others: nobody can say');
is(at('strict', 'bob', 'FR'), '403 DENIED country', 'lists still decide');
is(at('lenient', 'bob', 'JP'), '200 PASSED', '"store_down allow" lets pass');
is(at('lenient', 'bob', 'FR'), '403 DENIED country',
   'but not whom a list refuses');
is(at('report', 'bob', 'JP'), '200 PASSED', 'what only reports does, too');
is(at('named', 'bob', 'JP'), '200 PASSED', 'and what is usual for all');
is(at('named', 'bob', 'DE'), '503 DENIED unavailable', 'and nothing else');

$redis->start;
is(becomes('strict', 'bob', 'JP', '200 PASSED'), '200 PASSED',
   'Redis is back, and so is he');

# Redis may not tell: said once, and once that it does

$redis->command('ACL', 'SETUSER', 'default', '-hgetall');
is(at('strict', 'carol', 'JP'), '503 DENIED unavailable',
   'Redis does not tell');
at('strict', 'carol', 'JP') for 1 .. 10;

my $workers = () = $nginx->workers;

cmp_ok($nginx->said(qr/\[error\].* does not tell the countries of users: /),
       '<=', $workers, 'said once a worker');
$redis->command('ACL', 'SETUSER', 'default', '+hgetall');
is(becomes('strict', 'carol', 'JP', '200 PASSED'), '200 PASSED', 'now it does');

# by the worker that was refused, which need not be the one just asked: it asks
# Redis for whom nobody knows yet

my $others = 0;

ok($t->wait_for(sub {
    at('strict', 'other' . $others++, 'JP');
    return $nginx->said(qr/\[notice\].* knows the countries of users again/);
}), 'which is said, too');

# nonsense in a hash makes nobody usual, and hurts nobody else

$redis->command('SET', 'gate:{dave}:strict/countries', 'a text');
is(at('strict', 'dave', 'JP'), '503 DENIED unavailable',
   'a key that is no hash');
is(at('strict', 'bob', 'JP'), '200 PASSED', 'the next user passes');

$t->done;

sub today { return int($redis->command('TIME')->[0] / 86400) }

sub next_day {
    $redis->command('SAVE');
    $redis->stop;
    $redis->{ahead} = $ahead += 86400;
    $redis->start;
    is(today(), ++$today, 'the next day');
}

sub at {
    my ($policy, $user, $from) = @_;

    my $r = $t->as('1.1', $user, "/$policy/report", from => $from{$from},
                   close => 1);
    my ($verdict, $reason, $notice) = split / /, $r->{headers}{said}, -1;

    return join ' ', $r->{status}, $verdict, $reason || (),
                     $notice ? "notice=$notice" : ();
}

sub becomes {
    my ($policy, $user, $from, $said) = @_;

    my $got;

    $t->wait_for(sub { ($got = at($policy, $user, $from)) eq $said });

    return $got;
}

sub hash {
    my ($user) = @_;

    my %hash = @{ $redis->command('HGETALL', "gate:{$user}:strict/countries")
                  };

    return join ' ', map { "$_=$hash{$_}" } sort keys %hash;
}

sub days { return join ',', map { $today - $_ } @_ }

# He comes until it is written.

sub written {
    my ($user, $from, $want, $what) = @_;

    my $is = ref $want ? $want : sub { $_[0] eq $want };

    $t->wait_for(sub { at('strict', $user, $from); $is->(hash($user)) });
    ok($is->(hash($user)), $what) or diag(hash($user));
}
