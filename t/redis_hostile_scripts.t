#!/usr/bin/perl

# Scripts of which Redis answers what none of them says: nothing is believed of
# it, an administrator is told that it did not work, nothing that was counted is
# lost, and what is answered afterwards is believed.
#
# Between nginx and Redis stands who replaces questions of one kind by a script
# that returns the odd answer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha1_hex);
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use Test::Gate;
use Test::Gate::Usage;
use Test::More;

# by what is in the scripts, and in their arguments

my %kinds = (
    familiar    => [ qr/CENTURY/ ],
    journey     => [ qr/LATITUDE, LONGITUDE, RADIUS/ ],
    set         => [ qr/TOOMANY/, 'set' ],
    usage_read  => [ qr/'ZREVRANGE', key/ ],
    events_read => [ qr/'XRANGE', key, '-'/ ],
    confirm     => [ qr/'HMGET', key, unpack\(ARGV, 2\)/ ],
    usage       => [ qr/MOST = \{ projects/ ],
    events      => [ qr/'XADD'/ ],
);

my @odd = (
    q(1), q('odd'), q(false), q({}), q({ 1, 2 }), q({ {}, {} }),
    q({ 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i' }),
    q({ 1, 0, 0, -1, -1, -1, -1, -1, -1 }),
    q({ 1, 0, 0, 9007199254740993, 9007199254740993 }),
    q({ 0, 0, 0, 0, 0, 0, 0, 0, 0 }), q({ 1, 0, 1, 1, 3 }),
    q({ 1, 0, 1, 1, 'x' }), q({ 'a', '1 1 1', 'x' }),
    q({ { 'a' }, '' }), q({ 1, '', 1, 1, 'x', 1, 1, 1, 1 }),
    q(redis.error_reply('ERR odd')),
    q(redis.error_reply('NOSCRIPT No matching script')),
);

# of these, what a script may say

my %good = ('usage_read { 1, 2 }' => 1,
            "events_read { 1, '', 1, 1, 'x', 1, 1, 1, 1 }" => 1);

my $t = Test::Gate->new;

Test::Gate::Countries::database("$t->{dir}/country.mmdb",
    type => 'GeoLite2-City', networks => { '203.0.113.0/24' => {
        country => { iso_code => 'JP' },
        location => { latitude => 35.6895, longitude => 139.6917,
                      accuracy_radius => 20 } } });
$t->document('alpha/report', 1000);

my $redis = $t->redis;
my $socket = $t->dir . '/between.sock';
my $parent = $$;
my $between = fork // die "fork: $!";

if (!$between) {
    eval { between() };
    $t->write_file('between.error', $@);
    kill KILL => $$;
}

$t->wait_for(sub { -S $socket });

my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/between.sock; timeout 5s; }
    gate_audit redis events=refused;

    map $uri $project { ~^/(?<p>[^/]+)/ $p; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        project      $project;
    }
    gate_policy countries {
        certificate      off;
        user             $http_x_user;
        unusual_country  deny;
    }
    gate_policy journeys {
        certificate    off;
        user           $http_x_user;
        max_speed      900km/h deny;
    }
    gate_policy nobody {
        certificate    off;
        user           $http_x_user;
        allow_country  FR;
    }
END
        gate  counted;

        location /countries/ { gate countries; alias %%DIR%%/docs/alpha/; }
        location /journeys/ { gate journeys; alias %%DIR%%/docs/alpha/; }
        location /nobody/ { gate nobody; alias %%DIR%%/docs/alpha/; }
        location /admin/ { gate off; gate_admin write=on; allow 127.0.0.1;
                           deny all; }
END2

my @workers = sort $nginx->workers;
my $said = 0;

# what is asked while a request waits

my %asks = (
    familiar    => sub { get("/countries/report", $_[0]) },
    journey     => sub { get("/journeys/report", $_[0]) },
    set         => sub { admin(POST => 'holds', { user => $_[0] }) },
    confirm     => sub { admin(POST => 'country', { user => $_[0],
                               country => 'JP', policy => 'countries',
                               confirmed => JSON::PP::true }) },
    usage_read  => sub { admin(GET => 'usage?project=alpha') },
    events_read => sub { admin(GET => 'incident?user=alice') },
);

is($asks{$_}->('alice')->{status}, $_ eq 'set' ? 201 : 200,
   "$_: what is good") for sort keys %asks;

for my $kind (sort keys %asks) {
    my %status;

    for my $n (0 .. $#odd) {
        says($kind, $odd[$n]);
        my $status = $asks{$kind}->("$kind$n")->{status};

        ok(said(), "$kind: $odd[$n] is said") or last;
        $status{$status} .= " $odd[$n]" unless $good{"$kind $odd[$n]"};
    }

    says('', '');
    is(join(' ', sort keys %status), '503', "$kind: is not believed")
        or diag(explain(\%status));
    ok($t->wait_for(sub { $asks{$kind}->('later')->{status} < 300 }),
       "$kind: what is good again is");
}

# what is told behind a request: nothing of it is lost, and nothing twice

my $asked = 0;

for my $answer (@odd) {
    says('usage', $answer);
    get('/alpha/report', 'counted');
    $asked++;
    ok($t->wait_for(\&said), "usage: $answer is said");
}

says('', '');

my $all = $asked * 1000 . " $asked 1";

is(Test::Gate::Usage->new($t, $redis)->becomes('user', 'counted',
                                          "#total: $all, alpha: $all"),
   "#total: $all, alpha: $all", 'usage: nothing is lost');

my $refused = 0;

for my $answer (@odd[1 .. 4, -2, -1]) {
    says('events', $answer);
    is(get('/nobody/report', 'stranger')->{status}, 403, 'one is refused');
    $refused++;
    ok($t->wait_for(\&said), "events: $answer is said");
}

says('', '');
ok($t->wait_for(sub { told() >= $refused }), 'events: they are told');
is(told(), $refused, 'once each');

is(join(' ', sort $nginx->workers), "@workers", 'no worker crashed');

kill KILL => $between;
waitpid $between, 0;
is($t->read_file('between.error'), '', 'and who stood between did its part');

$t->done;

sub get {
    my ($path, $user) = @_;

    return $t->get($path, from => '203.0.113.5', close => 1,
                   headers => { 'X-User' => $user });
}

sub admin {
    my ($method, $path, $body) = @_;

    return $t->get("/admin/v1/$path", method => $method, close => 1,
                   headers => { 'Content-Type' => 'application/json' },
                   $body ? (body => encode_json($body)) : ());
}

sub told {
    return scalar grep { ref && "@{ $_->[1] }" =~ /stranger/ }
                  @{ $redis->command(qw(XRANGE gate:events - +)) || [] };
}

sub says {
    my ($kind, $answer) = @_;

    $said++;
    $t->write_file('says', "$said\n$kind\n$answer");
}

sub said { return -e $t->dir . "/said.$said" }

# Bytes from Redis go on as they are; commands of nginx one by one.

sub between {
    my $listen = IO::Socket::UNIX->new(Local => $socket, Listen => 16)
        or die "$socket: $!";
    my $select = IO::Select->new($listen);
    my (%other, %heard, %script);

    while (getppid == $parent) {
        for my $peer ($select->can_read(1)) {
            if ($peer == $listen) {
                my $new = $listen->accept or next;
                my $to = IO::Socket::UNIX->new(Peer => $redis->{socket})
                    or die "$redis->{socket}: $!";

                $select->add($new, $to);
                @other{$new, $to} = ($to, $new);
                $heard{$new} = '';
                next;
            }

            my $other = $other{$peer} or next;

            if (!sysread $peer, my $bytes, 65536) {
                $select->remove($peer, $other);
                delete @heard{$peer, $other};
                delete @other{$peer, $other};
                close $_ for $peer, $other;
                next;
            }

            elsif (defined $heard{$peer}) {
                $heard{$peer} .= $bytes;
                while (my ($raw, @words) = command(\$heard{$peer})) {
                    $script{ sha1_hex($words[1]) } = $words[1]
                        if $words[0] eq 'EVAL';
                    all($other, instead(\%script, @words) // $raw);
                }
            }

            else {
                all($other, $bytes);
            }
        }
    }
}

sub all {
    my ($to, $bytes) = @_;

    while (length $bytes) {
        my $n = syswrite $to, $bytes or return;
        substr $bytes, 0, $n, '';
    }
}

# A command taken off what was heard: its bytes, its words.

sub command {
    my ($heard) = @_;

    my ($n) = $$heard =~ /^\*(\d+)\r\n/ or return;
    my $at = length $&;
    my @words;

    for (1 .. $n) {
        substr($$heard, $at, 32) =~ /^\$(\d+)\r\n/ or return;
        $at += length $&;
        length $$heard >= $at + $1 + 2 or return;
        push @words, substr $$heard, $at, $1;
        $at += $1 + 2;
    }

    return (substr($$heard, 0, $at, ''), @words);
}

sub instead {
    my ($script, @words) = @_;

    $words[0] =~ /^EVAL/ or return;

    my ($n, $kind, $answer) = split /\n/, $t->read_file('says'), 3;
    my $text = $words[0] eq 'EVAL' ? $words[1] : $script->{ $words[1] };
    my ($pattern, $word) = @{ $kinds{ $kind // '' } // [] } or return;

    return unless defined $text && $text =~ $pattern
                  && (!$word || grep { $_ eq $word } @words);

    my @instead = ('EVAL', "return $answer", '0');

    $t->write_file("said.$n", '');

    return join '', '*' . @instead . "\r\n",
           map { '$' . length($_) . "\r\n$_\r\n" } @instead;
}
