#!/usr/bin/perl

# Whatever a server says in Redis' place: nobody is let in for it, nothing
# crashes, little memory is taken, and a real Redis afterwards is believed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::UNIX;
use Test::Gate;
use Test::Gate::Hostile;
use Test::More;

my $mib = 1024 * 1024;
my $beyond = '9007199254740993';
my $slot = time - time % 86400;

# A grant as the gate expects it of one quota, but for what is given here.

sub grant {
    my %o = (epoch => 1, closed => 0, lost => 0, slot => $slot, left => 3_600_000, share => 5000,
             seen => 5000, refused => 0, retry => 0, @_);

    return join "\r\n", '*9', (map { $o{$_} =~ /^\D/ && $o{$_} !~ /^-\d/
                                     ? $o{$_} : ":$o{$_}" }
                               qw(epoch closed lost slot left share seen refused
                                  retry)), '';
}

my $grant = grant();

sub numbers { return join "\r\n", '*' . @_, (map { ":$_" } @_), '' }

# what for, what is said, then: close the connection

my @said = (
    [ 'garbage', "HTTP/1.1 400 Bad Request\r\n\r\n" ],
    [ 'bytes of any kind', join '', map { chr } 0 .. 255 ],
    [ 'zeros', "\0" x 5000 ],
    [ 'half a grant', substr($grant, 0, length($grant) / 2) ],
    [ 'half a grant, and the end', substr($grant, 0, length($grant) / 2), 1 ],
    [ 'a grant but for its last byte', substr($grant, 0, -1), 1 ],
    [ 'nothing', '' ],
    [ 'the end', '', 1 ],
    [ 'an empty line', "\r\n" ],
    [ '-ERR', "-ERR unknown command\r\n" ],
    [ '-OOM', "-OOM command not allowed when used memory > 'maxmemory'\r\n" ],
    [ '-NOPERM', "-NOPERM this user has no permissions\r\n" ],
    [ '-NOSCRIPT without end', "-NOSCRIPT No matching script\r\n" ],
    [ '-STALE without end', "-STALE question 1 after 2\r\n" ],
    [ 'an error without words', "-\r\n" ],
    [ 'an error of 1 MiB', '-' . 'x' x $mib . "\r\n" ],
    [ 'a status', "+OK\r\n" ],
    [ 'a number', ":1\r\n" ],
    [ 'a huge number', ':' . '9' x 100 . "\r\n" ],
    [ 'a text', "\$3\r\n1 2\r\n" ],
    [ 'no text', "\$-1\r\n" ],
    [ 'no list', "*-1\r\n" ],
    [ 'a list of less than none', "*-2\r\n" ],
    [ 'an empty list', "*0\r\n" ],
    [ 'a list of texts', "*9\r\n" . "\$1\r\n1\r\n" x 9 ],
    [ 'a list of nothing', "*9\r\n" . "\$-1\r\n" x 9 ],
    [ 'a list of lists', "*9\r\n" . "*1\r\n:1\r\n" x 9 ],
    [ 'a list of errors', "*9\r\n" . "-ERR\r\n" x 9 ],
    [ 'too few numbers', "*8\r\n" . ":1\r\n" x 8 ],
    [ 'too many numbers', "*10\r\n" . ":1\r\n" x 10 ],
    [ 'a list of 2^31 - 1', "*2147483647\r\n" ],
    [ 'a list of 2^31', "*2147483648\r\n" ],
    [ 'a list of 1024', "*1024\r\n" . ":1\r\n" x 1024 ],
    [ 'a text of 2^31 - 1', "\$2147483647\r\n" ],
    [ 'a text of less than none', "\$-2\r\n" ],
    [ 'a long text', "\$2147483647\r\n" . 'x' x (4 * $mib) ],
    [ 'a text without CRLF', "\$3\r\nabcXX+OK\r\n" ],
    [ 'deep lists', "*1\r\n" x 6 . ":1\r\n" ],
    [ 'deeper lists', "*1\r\n" x 100_000 ],
    [ 'a line without an end', ':' . '1' x $mib ],
    [ 'what RESP3 has', "%1\r\n+a\r\n:1\r\n" ],
    [ 'an unasked reply besides', ":1\r\n$grant" ],
    [ 'an epoch of 0', grant(epoch => 0) ],
    [ 'a negative epoch', grant(epoch => -1) ],
    [ 'closed for less than nothing', grant(closed => -1) ],
    [ 'closed for ever', grant(closed => $beyond) ],
    [ 'a slot of 0', grant(slot => 0) ],
    [ 'a slot beyond time', grant(slot => $beyond) ],
    [ 'a negative slot', grant(slot => -$slot) ],
    [ 'a negative rest of the slot', grant(left => -1) ],
    [ 'an endless slot', grant(left => $beyond) ],
    [ 'a negative share', grant(share => -5000) ],
    [ 'a share beyond 2^53', grant(share => $beyond) ],
    [ 'a negative sum', grant(seen => -5000) ],
    [ 'a sum beyond 2^53', grant(seen => $beyond) ],
    [ 'refused twice', grant(refused => 2) ],
    [ 'a negative wait', grant(retry => -1) ],
    [ 'an endless wait', grant(retry => $beyond) ],
    [ 'a share that is a text', grant(share => "\$4\r\n5000") ],
    [ 'a share that is nothing', grant(share => "\$-1") ],
    [ 'a share of nothing, not refused', grant(share => 0, seen => 0) ],
    [ 'a slot that has ended', grant(left => 0) ],
);

# said to a greeting

my @greeted = (
    [ 'greeting: garbage', "What do you want?\r\n" ],
    [ 'greeting: half a reply', '+O' ],
    [ 'greeting: half a reply, and the end', '+O', 1 ],
    [ 'greeting: nothing', '' ],
    [ 'greeting: the end', '', 1 ],
    [ 'greeting: an unasked reply besides', "+OK\r\n:1\r\n" ],
    [ 'greeting: a list of 2^31 - 1', "*2147483647\r\n" ],
    [ 'greeting: a text of 2^31 - 1', "\$2147483647\r\n" ],
);

# said to a beat

my @beaten = (
    [ 'beat: garbage', "What do you want?\r\n" ],
    [ 'beat: a status', "+OK\r\n" ],
    [ 'beat: a grant', $grant ],
    [ 'beat: an epoch of 0', numbers(0, 0, 0, 2, 0) ],
    [ 'beat: closed for ever', numbers(1, $beyond, 0, 2, 0) ],
    [ 'beat: a list of texts', "*5\r\n" . "\$1\r\n1\r\n" x 5 ],
    [ 'beat: too many marks', numbers(1, 0, $beyond, 2, 0) ],
    [ 'beat: a version of holds beyond 2^53', numbers(1, 0, 0, $beyond, 0) ],
    [ 'beat: a time beyond 2^53', numbers(1, 0, 0, 2, $beyond) ],
    [ 'beat: -NOSCRIPT without end', "-NOSCRIPT No matching script\r\n" ],
    [ 'beat: nothing', '' ],
    [ 'beat: the end', '', 1 ],
);

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my $socket = $t->dir . '/redis0.sock';

$t->write_file('says', 0);

my $fake = fake(@said, @beaten, @greeted);

my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 200ms; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=1m per=day;
    }
END
        gate  counted;
END2

my @workers = sort $nginx->workers;
my $memory = memory();
my $n = 0;

for (@said, @beaten, @greeted) {
    my ($what) = @$_;
    my %status;

    $t->write_file('says', $n);

    # While the gate pauses after a failure it does not ask, so it may take
    # more than one request until this was said in answer to one.

    my $was_said = $t->wait_for(sub {
        $status{ $t->as('1.1', 'alice', '/document')->{status} }++;
        return -e $t->dir . "/said.$n";
    });

    ok($was_said, "$what: was said");
    is(join(' ', sort keys %status), 503, "$what: nobody is let in");
    $n++;
}

like($t->logged(1), qr/^503 "DENIED" "unavailable" "counted" "alice"/,
     'the log says why');
is(join(' ', sort $nginx->workers), "@workers", 'no worker crashed');
cmp_ok(memory() - $memory, '<', 50 * $mib, 'nor took much memory')
    unless $ENV{TEST_SANITIZE};

is($fake->end, '', 'the hostile server did what it should');
unlink $socket;

my $redis = $t->redis;
my $status;

$t->wait_for(sub {
    $status = $t->as('1.1', 'alice', '/document')->{status};
    return $status == 200;
});

is($status, 200, 'a real Redis is believed');
is($t->settled($redis, '{alice}:counted', 'bytes-day', 1000), 1000,
   'and nothing of what was said before has remained');

$t->done;

sub memory {
    my $sum = 0;

    for ($nginx->workers) {
        my ($kib) = $t->read_file("/proc/$_/status") =~ /^VmRSS:\s+(\d+)/m;
        $sum += $kib * 1024;
    }

    return $sum;
}

# Answers each question, or beat, or greeting, with what the file "says" names,
# and what it does not name with what Redis would say.

sub fake {
    my @all = @_;

    return Test::Gate::Hostile->new(
        test => $t, name => 'fake',
        listen => IO::Socket::UNIX->new(Local => $socket, Listen => 16),
        answer => sub {
            my ($peer, @words) = @_;

            return say_to($peer, called(@words), $t->read_file('says'), \@all);
        });
}

sub called {
    my @words = @_;

    return $words[0] =~ /^EVAL/ && $words[2] == 1 ? 'beat'
         : $words[0] =~ /^EVAL/ && $words[5] eq 'load' ? 'holds'
                                                       : $words[0];
}

# False: the connection is to be closed.

sub say_to {
    my ($peer, $name, $n, $all) = @_;

    my ($what, $say, $close) = @{ $all->[$n] };
    my ($to) = $what =~ /^(greeting|beat|holds):/;

    $to //= 'question';
    $name = 'question' if $name =~ /^EVAL/;
    $name = 'greeting' if $name !~ /^(question|beat|holds)$/;

    # a connection that was greeted before has to come again

    return 0 if $name ne 'greeting' && $to eq 'greeting';

    if ($name ne $to) {
        syswrite $peer, $name eq 'greeting' ? "+OK\r\n"
                      : $name eq 'beat' ? numbers(1, 0, 0, 2, 0)
                      : $name eq 'holds' ? numbers(1, 0, 0, 0, 0, 0)
                                         : "-ERR no\r\n";
        return 1;
    }

    syswrite $peer, $say if length $say;
    $t->write_file("said.$n", '');

    return !$close;
}
