#!/usr/bin/perl

# The usage ledger: what clients got is what Redis has of users, projects and
# the day, by two nodes, with quotas and without, whatever way a response takes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::Gate::Usage;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

for my $project (qw(alpha beta hidden)) {
    $t->document("$project/document", 100_000);
    $t->document("$project/other", 20_000);
    $t->document("$project/small", 1000);
}

$t->write_file('docs/ssi/page', 'A<!--# include virtual="/quotas/beta/small" -->'
               . 'B' x 5000);
$t->write_file('docs/page.txt', 'text ' x 4000);

my $redis = $t->redis;
my $usage = Test::Gate::Usage->new($t, $redis);

$t->backend('accel', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /files/document\r\n",
                  "Content-Length: 0\r\n\r\n";
});

$t->backend('unknown', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                  map { sprintf("%x\r\n", 7000) . 'x' x 7000 . "\r\n" } 1 .. 5;
    print $socket "0\r\n\r\n";
});

my @ports = map { $t->port } 0, 1;
my @nodes = map { $t->nginx(conf(), port => $_) } @ports;

# of each: user, project, what to ask, how often; what is counted of it

my %got;

for my $quotas ('quotas', 'none') {

    for my $http ('1.1', '2') {
        my $user = "$quotas-$http";

        get($http, $user, 'alpha', "/$quotas/alpha/document") for 1 .. 3;
        get($http, $user, 'alpha', "/$quotas/alpha/other");
        get($http, $user, 'beta', "/$quotas/beta/document");
        get($http, $user, 'beta', "/$quotas/beta/document", port => $ports[1]);
        get($http, $user, 'beta', "/$quotas/beta/small", port => $ports[1]);

        get($http, $user, 'alpha', "/$quotas/alpha/document",
            headers => { Range => 'bytes=100-299' });
        get($http, $user, 'alpha', "/$quotas/alpha/document",
            headers => { Range => 'bytes=0-9,20-29' });
        get($http, $user, 'alpha', "/$quotas/alpha/document", method => 'HEAD');
        get($http, $user, 'alpha', "/$quotas/alpha/document", headers => {
            'If-Modified-Since' => 'Fri, 01 Jan 2100 00:00:00 GMT' });
        get($http, $user, 'alpha', "/$quotas/alpha/nothing");

        get($http, $user, '#none', "/$quotas/page.txt",
            headers => { 'Accept-Encoding' => 'gzip' });
        get($http, $user, 'alpha', "/$quotas/accel/alpha/x");
        get($http, $user, 'alpha', "/$quotas/unknown/alpha/x");
    }

    get('1.1', 'inside', '#none', "/$quotas/ssi/page");
    get('1.1', 'mirrored', 'alpha', "/$quotas/mirrored/alpha/small");
}

# refused: nothing is counted

is($t->as('1.1', 'poor', '/quotas/alpha/document',
          port => $ports[0])->{status}, 429, 'a refused request');
get('1.1', 'poor', 'alpha', '/quotas/alpha/small');

for my $user (sort keys %got) {
    is($usage->becomes('user', $user, expected($got{$user})),
       expected($got{$user}), "$user: by project");
}

my (%projects, %users, %largest, %by_project);

for my $user (keys %got) {
    for my $project (grep { $_ ne '#total' } keys %{ $got{$user} }) {
        my $row = $got{$user}{$project};

        $by_project{$project}{$user} = $row;
        $users{$user} += $row->{bytes};
        $projects{$project} += $row->{bytes};
        $largest{$project} = $row->{bytes}
            if $row->{bytes} > ($largest{$project} // -1);
    }
}

is($usage->becomes('project', $_, expected($by_project{$_})),
   expected($by_project{$_}), "$_: by user") for sort keys %by_project;

is($usage->becomes('users', '', list(%users)), list(%users),
   'users of the day by bytes');
is($usage->becomes('projects', '', list(%projects)), list(%projects),
   'projects of the day by bytes');
is($usage->becomes('largest', '', list(%largest)), list(%largest),
   'projects by their largest user');

# a client that goes away: what nginx wrote to its socket, as the log has it

$t->document('alpha/long', 20_000_000);

my $client = $t->client(port => $ports[0]);

$client->send('/none/alpha/long', headers => { 'X-User' => 'gone' });
$client->more until length $client->{buffer} > 2_000_000;
$client->close;

my $line;

$t->wait_for(sub {
    ($line) = $t->read_file('access.log')
              =~ m{^(.* "gone" .* /none/alpha/long)$}m;
});

my ($sent) = $line =~ m{ (\d+) /none};

cmp_ok($sent, '<', 20_000_000, 'a client went away');
is($usage->becomes('user', 'gone', "#total: $sent 1 1, alpha: $sent 1 1"),
   "#total: $sent 1 1, alpha: $sent 1 1", 'what was written to it counts');

# when they end

my ($day) = ($usage->days)[1];
my $ttl = $redis->command('TTL', "gate:{gone}/projects:$day");

cmp_ok($ttl, '>', 399 * 86400, 'kept for 400 days');
cmp_ok($ttl, '<=', 402 * 86400, 'and no longer');
cmp_ok($redis->command('TTL', "gate:{gone}/projects:$day:documents"), '<=',
       2 * 86400, 'what documents they were, for two');

# nothing that a node does would have to look for keys

is($redis->calls('keys', 'scan'), 0, 'nobody looks for keys');

$t->done;

sub get {
    my ($http, $user, $project, $uri, %o) = @_;

    my $r = $t->as($http, $user, $uri, port => $ports[0], %o);

    ok($r->{status} =~ /^(?:20[06]|304|404)$/, "$uri: $r->{status}")
        unless $r->{status} == 200;
    add($user, $project, $uri, length $r->{body});
}

sub add {
    my ($user, $project, $uri, $bytes) = @_;

    for my $name ($project, '#total') {
        my $row = $got{$user}{$name} //= { bytes => 0, requests => 0,
                                           documents => {} };
        $row->{bytes} += $bytes;
        $row->{requests}++;
        $row->{documents}{ $uri } = 1;
    }
}

# With the sum, as of what it is a part.

sub expected {
    my ($rows) = @_;

    my @sum = (0, 0, 0);
    my %text;

    for my $name (grep { $_ ne '#total' } keys %$rows) {
        my @n = (@{ $rows->{$name} }{qw(bytes requests)},
                 scalar keys %{ $rows->{$name}{documents} });

        $sum[$_] += $n[$_] for 0 .. 2;
        $text{$name} = "@n";
    }

    return list(%text, '#total' => "@sum");
}

sub list {
    my (%of) = @_;

    return join ', ', map { "$_: $of{$_}" } sort keys %of;
}

sub conf {
    my $locations = join '', map { <<"END" } qw(quotas none);
        location /$_/ { gate $_; alias %%DIR%%/docs/; }
        location /$_/accel/ { gate $_; proxy_pass http://unix:%%DIR%%/accel.sock; }
        location /$_/unknown/ { gate $_; proxy_pass http://unix:%%DIR%%/unknown.sock; }
        location /$_/ssi/ { gate $_; alias %%DIR%%/docs/ssi/; ssi on; ssi_types *; }
        location /$_/mirrored/ { gate $_; alias %%DIR%%/docs/; mirror /$_/beta/small; }
END

    return $t->conf(http => <<'END', server => <<"END2");
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    map $uri $project { ~^/(?:[^/]+/)+?(?<p>alpha|beta)/ $p; }
    map $gate_user $bytes { default 1g; poor 2000; }

    gate_policy quotas {
        certificate  off;
        user         $http_x_user;
        project      $project;
        quota        bytes=$bytes per=day;
        quota        requests=1000 per=day;
        quota        bytes=10g per=day key=$http_x_user name=pool;
    }

    gate_policy none {
        certificate  off;
        user         $http_x_user;
        project      $project;
    }

    gzip        on;
    gzip_types  text/plain;
    types       { text/plain txt; }
END
$locations
        location /files/ { internal; gate quotas; alias %%DIR%%/docs/alpha/; }
END2
}
