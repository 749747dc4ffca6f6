#!/usr/bin/perl

# What a hold does to responses in every state they can be in: a file that is
# sent, one that is proxied, with and without buffers, by threads; a client that
# does not read; an HTTP/2 connection with a stream that may go on; an upgraded
# connection; a request whose backend has not answered yet.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $mib = 1024 * 1024;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);
$t->document('projects/tower/large', 64 * $mib);
$t->document('projects/bridge/large', 8 * $mib);
$t->write_file('temp/.keep', '');

my $redis = $t->redis;

# answers when it is told, or for ever

my $backend = $t->backend('slow', sub {
    my ($socket, $head) = @_;

    if ($head =~ /^GET \S*endless/) {
        syswrite $socket, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        1 while syswrite $socket, 'x' x 65536;

    } elsif ($head =~ /upgrade: test/i) {
        syswrite $socket, "HTTP/1.1 101 Switching Protocols\r\n"
                          . "Upgrade: test\r\nConnection: Upgrade\r\n\r\n";
        1 while syswrite $socket, 'x' x 65536;

    } else {
        $t->write_file('asked', '');
        $t->wait_for(sub { -e $t->dir . '/go' }, 30);
        syswrite $socket, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                          . "Connection: close\r\n\r\nyes";
    }
});

my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    map $uri $project { ~^/projects/(?<p>[^/]+)/ $p; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        project      $project;
        quota        bytes=100g per=1h;
        upgrade      allow;
    }

    gate_policy uncounted {
        certificate  off;
        user         $http_x_user;
    }
END
        gate  counted;

        location /projects/   { limit_rate 2m; }
        location /uncounted/  {
            gate uncounted; alias %%DIR%%/docs/projects/tower/;
        }
        location /free/       { alias %%DIR%%/docs/projects/tower/; }
        location /buffered/   {
            proxy_pass http://unix:%%DIR%%/slow.sock;
            limit_rate 2m;
        }
        location /unbuffered/ {
            proxy_pass http://unix:%%DIR%%/slow.sock;
            proxy_buffering off;
        }
        location /upgraded/   {
            proxy_pass http://unix:%%DIR%%/slow.sock;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }
END2

is($t->as('1.1', 'alice', '/small')->{status}, 200, 'nobody is held');

# in each state, over both protocols where there is one

my @states = (
    [ 'a file', '/projects/tower/large' ],
    [ 'a file that is not counted', '/uncounted/large' ],
    [ 'proxied', '/buffered/endless' ],
    [ 'proxied, without buffers', '/unbuffered/endless' ],
);

for my $http (qw(1.1 2)) {
    for (@states) {
        my ($what, $uri) = @$_;
        my $d = download('alice', $http, $uri);

        ok($t->wait_for(sub { size($d) > $mib / 4 }), "HTTP/$http, $what: runs");
        held('user=alice');
        ok($t->wait_for(sub { ended($d) }), 'cut');
        isnt($d->{exit}, 0, 'and the client knows');
        lifted();
    }
}

# a client that does not read: what waits in the kernel does not arrive

for my $uri ('/free/large', '/unbuffered/endless') {
    my $client = $t->client;
    $client->send($uri, headers => { 'X-User' => 'alice' });
    ok($t->wait_for(sub { queued() > $mib / 4 }),
       "$uri: a client that does not read");
    held('user=alice');
    ok($t->wait_for(sub { queued() == 0 }), 'nothing is left on its way');

    my $r = eval { $client->response('GET') };
    is($r->{whole}, 0, 'the client did not get it whole');
    lifted();
}

# two projects over one connection: one of them is held

my @both = map { $t->dir . "/both.$_" } qw(bridge tower);
my $pid = fork // die "fork: $!";

if (!$pid) {
    open STDOUT, '>', $t->dir . '/both';
    open STDERR, '>', '/dev/null';
    exec 'curl', '-q', '-s', '--insecure', '--http2', '--parallel', '-H',
         'X-User: alice', '-w', '%{num_connects} %{exitcode}\n',
         map { ('-o', $both[$_], "https://127.0.0.1:$t->{port}/projects/"
                . (qw(bridge tower))[$_] . '/large') } 0, 1;
    exit 127;
}

ok($t->wait_for(sub { 2 == grep { (-s $_ // 0) > $mib / 4 } @both }),
   'two projects');
held('project=tower');
waitpid $pid, 0;

is(join(' ', sort split /\n/, $t->read_file('both')), '0 92 1 0',
   'over one connection: one stream is reset, the other ends')
    or diag($t->read_file('both'));
is(-s $both[0], 8 * $mib, 'what is not held comes whole');
cmp_ok(-s $both[1], '<', 64 * $mib, 'what is held does not');
lifted();

# an upgraded connection

my $client = $t->client;
$client->send('/upgraded/', headers => { 'X-User' => 'alice',
                                         Upgrade => 'test',
                                         Connection => 'Upgrade' });
ok($t->wait_for(sub { queued() > $mib / 4 }), 'an upgraded connection');
held('user=alice');
ok($t->wait_for(sub { queued() == 0 }), 'is cut');
1 while eval { $client->more };
lifted();

# one that has not begun is refused in place of its answer

for my $http (qw(1.1 2)) {
    unlink map { $t->dir . "/$_" } qw(go asked);

    $pid = fork // die "fork: $!";

    if (!$pid) {
        $t->write_file('status',
                       $t->as($http, 'alice', '/buffered/wait')->{status});
        kill KILL => $$;
    }

    ok($t->wait_for(sub { -e $t->dir . '/asked' }),
       "HTTP/$http: a backend that takes its time");
    held('user=alice');
    $t->write_file('go', '');
    waitpid $pid, 0;
    is($t->read_file('status'), 403, 'it is refused when the backend answers');
    lifted();
}

# what did not leave is not counted: as much as clients can have got at most

ok($t->wait_for(sub {
       my $bytes = $t->granted($redis, '{alice}:counted', 'bytes-1h');
       return $bytes && $bytes < 200 * $mib;
   }), 'what was cut is given back');

is($t->as('1.1', 'alice', '/small')->{status}, 200, 'and alice is back');

$t->done;

# Sets the hold, and waits until each worker has seen it.

sub held {
    my ($what) = @_;

    my ($user, $uri) = $what =~ /^user=(.*)/ ? ($1, '/small')
                                             : ('bob', '/projects/tower/x');

    $t->hold($redis, 'h', $what);

    # by both workers

    $t->wait_for(sub {
        !grep { $t->as('1.1', $user, $uri)->{status} != 403 } 1 .. 12;
    });
}

sub lifted {
    $t->hold($redis, 'h', undef);
    $t->wait_for(sub { $t->as('1.1', 'alice', '/small')->{status} == 200 });
}

# How much nginx has handed to the kernel that no client has taken.

sub queued {
    my $port = sprintf ':%04X', $t->{port};
    my $sum = 0;

    open my $fh, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";

    while (<$fh>) {
        my (undef, $local, undef, undef, $queues) = split;
        $sum += hex $1 if $local =~ /$port$/ && $queues =~ /^([0-9A-F]+):/;
    }

    return $sum;
}

my $n;

sub download {
    my ($who, $http, $uri) = @_;

    my $file = $t->dir . '/download' . ++$n;
    my $child = fork // die "fork: $!";

    if (!$child) {
        open STDERR, '>', '/dev/null';
        exec 'curl', '-q', '-s', '--insecure', "--http$http", '-o', $file,
             '--limit-rate', '8m', '-H', "X-User: $who", "https://127.0.0.1:$t->{port}$uri";
        exit 127;
    }

    return { pid => $child, file => $file };
}

sub size { return -s $_[0]{file} // 0 }

sub ended {
    my ($d) = @_;

    if (!defined $d->{exit} && waitpid($d->{pid}, 1) > 0) {
        $d->{exit} = $? >> 8;
    }

    return defined $d->{exit};
}
