#!/usr/bin/perl

# While Redis does not answer, so many questions wait as "queue" says, 4096 if it
# says nothing; who asks beyond that is refused at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Poll qw(POLLIN);
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

queue(4, 10, 'queue    4;');

SKIP: {
    system('prlimit', "--pid=$$", '--nofile=20000:') == 0
        or skip 'so many connections are not allowed', 1;

    queue(4096, 4200, '', '4096 by default: ');
}

$t->done;

# "all" users who are new ask one worker whose Redis stands still.

sub queue {
    my ($size, $all, $word, $what) = @_;

    $what //= '';

    my $redis = $t->redis;
    my ($port, $plain) = ($t->port, $t->port);

    $t->nginx(conf($redis, $plain, $word), port => $port);
    is(client($plain)->request('/document', headers => { 'X-User' => 'first' })
       ->{status}, 200, $what . 'Redis answers');

    my @clients = map { client($plain) } 1 .. $all;

    $redis->halt;

    for (0 .. $#clients) {
        $clients[$_]->send('/document', headers => { 'X-User' => "user$_" });
    }

    # what a worker asks for itself, as for a new epoch, waits in the same queue

    my $poll = IO::Poll->new;
    my @now;

    $poll->mask($_->{socket} => POLLIN) for @clients;

    ok($t->wait_for(sub { $poll->poll(0);
                          (@now = $poll->handles(POLLIN)) >= $all - $size }),
       $what . 'beyond the queue nobody waits');

    my %now = map { $_ => 1 } @now;
    my @refused = grep { $now{ $_->{socket} } } @clients;
    my @waiting = grep { !$now{ $_->{socket} } } @clients;

    is_deeply(statuses(@refused), { 503 => scalar @refused },
              $what . 'but is refused');
    cmp_ok(scalar @waiting, '>', $size - 4, $what . 'others wait');

    $redis->go_on;

    is_deeply(statuses(@waiting), { 200 => scalar @waiting },
              $what . 'and pass when Redis answers');
}

sub statuses {
    my %seen;

    $seen{ $_->response('GET')->{status} }++ for @_;

    return \%seen;
}

sub client { return $t->client(port => $_[0], plain => 1) }

sub conf {
    my ($redis, $plain, $word) = @_;

    my $conf = $t->conf(workers => 1, http => <<"END", server => <<"END2");
    gate_redis {
        server   unix:$redis->{socket};
        timeout  1h;
        $word
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=10 per=1h;
    }
END
        listen  127.0.0.1:$plain;
        gate    counted;
END2

    return $word ? $conf : $conf =~ s/worker_connections\s+\K1024/8192/r;
}
