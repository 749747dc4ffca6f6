#!/usr/bin/perl

# v1/now: what this host did in each of the last 60 minutes; all its workers add
# to it, a reload keeps it, and a byte counts when it has left.

use strict;
use warnings;

use FindBin;
use List::Util qw(sum0);
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $size = 3_000_000;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->certificate('stranger', self => 1);
$t->countries('203.0.113.0/24' => 'JP', '192.0.2.0/24' => 'DE');
$t->document('document', 1000);
$t->document('large', $size);

my $gated = <<'END';
        gate  counted;

        location /admin/ { gate off; gate_admin; }
        location /pid    { gate off; return 200 $pid; }
        location /dry/   { gate_dry_run on; alias %%DIR%%/docs/; }
        location /page/  { ssi on; ssi_types *; alias %%DIR%%/docs/; }
        location /other/ { gate other; alias %%DIR%%/docs/; }
END

$t->write_file('docs/ssi', 'A<!--# include virtual="/other/document" -->B');

my $policies = <<'END';
    gate_policy counted {
        certificate    off;
        user           $http_x_user;
        allow_country  JP;
        quota          requests=3 per=day;
    }

    gate_policy other { certificate off; }
END

# it is about the fifth second of a minute

my $later = $t->write_file('later', pack 'l!l!', 0, 65 - time % 60);
my $nginx = $t->nginx(conf('80k'), later => $later);

my $now = now();

is(scalar @{ $now->{minutes} }, 1, 'the first minute');
is_deeply($now->{minutes}[0]{refused}, {}, 'nothing was refused');
is($now->{minutes}[0]{requests}, 0, 'nothing was asked');
is($now->{minutes}[0]{bytes}, 0, 'nothing has left');
is($now->{minutes}[0]{time} % 60, 0, 'it begins a minute');
cmp_ok($now->{time} - $now->{minutes}[0]{time}, '<', 60, 'which is not over');
ok($now->{node}, 'which node it is');

# by both workers

for my $worker ($nginx->workers) {
    is($t->client_of($worker)->request('/document',
            headers => { 'X-User' => $worker, 'X-Forwarded-For' =>
                         '203.0.113.1' })->{status}, 200, 'one passes');
}

is(status('alice'), 200, 'one passes') for 1 .. 3;
is(status('alice'), 429, 'one is refused');
is(status('bob', '192.0.2.1'), 403, 'one from elsewhere');
is(status('alice', undef, '/dry/document'), 200, 'one in a dry run');
is($t->get('/document', cert => 'stranger')->{status}, 400,
   'one that nginx refuses by itself');
is(sums()->{requests}, 9, 'requests');
is_deeply(sums()->{refused}, { quota => 1, country => 1, certificate => 1 },
          'refusals by reason, and of these only what occurred');
is(sums()->{bytes}, 6000, 'bytes: of bodies that policies let out');

# a page that takes something from under another policy: its bytes count once

is(length $t->get('/page/ssi', from => '203.0.113.1',
                  headers => { 'X-User' => 'carol' })->{body}, 1002,
   'a page with a subrequest');
ok(wait_for(11), 'each policy judged it');
is(sums()->{bytes}, 7002, 'its bytes count once');

# a client that does not read on, and goes: what has not left does not count

my $client = $t->client;

$client->send('/large', headers => { 'X-User' => 'dave',
                                     'X-Forwarded-For' => '203.0.113.1' });
ok($t->wait_for(sub { sums()->{bytes} > 7002 + 65_536 }),
   'bytes count while a download goes on');
is(sums()->{requests}, 11, 'the request when it is over');
$client->close;
ok(wait_for(12), 'which it is');

my $left = sums()->{bytes} - 7002;
my $sent;

ok($t->wait_for(sub {
    ($sent) = $t->read_file('access.log') =~ m{ (\d+) /large$}m;
}), 'it is in the access log');
cmp_ok($sent, '<', $size, 'not all of it was sent');
cmp_ok($left, '<=', $sent, 'what did not leave does not count');

# two minutes later: what was before stays in its place

my $before = now()->{minutes};

$nginx->later(0, 65 - time % 60 + 120);
ok($t->wait_for(sub { @{ now()->{minutes} } > @$before }), 'minutes pass');
is(status('erin'), 200, 'one passes');
ok($t->wait_for(sub { sums(after())->{requests} == 1 }), 'it counts now');
is(sums(after())->{bytes}, 1000, 'and its bytes');
is(sums()->{requests}, 13, 'what was before is there, too');

my @times = map { $_->{time} } @{ now()->{minutes} };

is(scalar(grep { $times[$_] != $times[$_ - 1] + 60 } 1 .. $#times), 0,
   'one minute follows the other');

# a reload, with another policy in place of one

$nginx->reload(conf('80k') =~ s/other/another/gr);
is(status('erin', undef, '/another/document'), 200, 'another policy');
ok(wait_for(14), 'a reload keeps it');
is(sums()->{bytes}, 9002 + $left, 'all of it');

# hours later there are still not more than 60; set back, it begins anew

$nginx->later(0, 7200);
ok($t->wait_for(sub { @{ now()->{minutes} } == 60
                      && sums()->{requests} == 0 }), 'two hours later');
is(status('erin'), 200, 'one passes');
ok(wait_for(1), 'it counts');
$nginx->later(0, 0);
ok($t->wait_for(sub { @{ now()->{minutes} } == 1 }), 'a clock that is set back');
is(status('erin'), 200, 'one passes');
ok(wait_for(1), 'it counts');

$t->done;

sub now { return decode_json($t->get('/admin/v1/now')->{body}) }

# what happened in all minutes, or in these

sub sums {
    my @minutes = @_ ? @_ : @{ now()->{minutes} };
    my %refused;

    for my $minute (@minutes) {
        $refused{$_} += $minute->{refused}{$_} for keys %{ $minute->{refused} };
    }

    return { requests => sum0(map { $_->{requests} } @minutes),
             bytes    => sum0(map { $_->{bytes} } @minutes),
             refused  => \%refused };
}

# minutes after those that were there before

sub after {
    return grep { $_->{time} > $before->[-1]{time} } @{ now()->{minutes} };
}

sub wait_for {
    my ($requests) = @_;

    return $t->wait_for(sub { sums()->{requests} == $requests });
}

sub status {
    my ($user, $from, $uri) = @_;

    return $t->get($uri // '/document', from => $from // '203.0.113.1',
                   headers => { 'X-User' => $user })->{status};
}

sub conf {
    my ($sndbuf) = @_;

    return $t->conf(http => $policies, server => $gated)
           =~ s/ssl http2;/ssl http2 sndbuf=$sndbuf;/r;
}
