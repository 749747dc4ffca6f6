#!/usr/bin/perl

# The usage ledger's bounds: names that are hostile or long, how long it is kept
# or that it is not, and a zone that is full while Redis is away.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::Gate;
use Test::Gate::Usage;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);

my $redis = $t->redis;
my $usage = Test::Gate::Usage->new($t, $redis);
my $nginx = $t->nginx(conf(''));

# names

my %names = (
    'plain@example.jp' => 'plain',
    'user:with/slash' => 'slashes',
    "\xe6\x9d\xb1\xe4\xba\xac" => 'UTF-8',
    "\xe2\x80\xae-reversed" => 'a right-to-left mark',
    'n' x 120 => 'as long as may be',
    'n' x 121 => 'longer',
    'm' x 4096 => 'much longer',
    '<script>alert("x")</script> y' => 'blanks and quotes',
    '{other}' => 'braces',
    '#total' => 'a name of ours',
    '=cmd()' => 'a formula',
    "\x7f" => 'DEL',
);

for my $name (sort keys %names) {
    my $text = text($name);
    my $tag = $text =~ s/ .*//sr;

    is(status($name), 200, "$names{$name}: passes");

    my %rows;

    $t->wait_for(sub { %rows = $usage->user($tag) });
    is($rows{'#total'}, '1000 1 1', "$names{$name}: is counted");
    ok($t->wait_for(sub { exists +{ $usage->top('users') }->{$text} }),
       "$names{$name}: in the list")
        or diag(join "\n", map { s/[^!-~]/?/gr } keys %{{ $usage->top('users') }});
}

# projects with such names

for my $name ('line%0abreak', 'q' x 200, '%3cb%3e%22', '%23total') {
    my $project = $name =~ s/%(..)/chr hex $1/ger;
    my $text = text($project);

    is($t->get("/p/$name", headers => { 'X-User' => 'who' })
         ->{status}, 200, 'a project passes');

    my %rows;

    ok($t->wait_for(sub { %rows = $usage->user('who');
                          $rows{$text} }), 'by its name')
        or diag(join "\n", map { s/[^!-~]/?/gr } keys %rows);
    is($rows{$text}, '1000 1 1', 'and is counted');

    $t->wait_for(sub { %rows = $usage->project($text =~ s/ .*//sr) });
    is($rows{who}, '1000 1 1', 'the project has its user');
}

# how long it is kept

my ($day) = ($usage->days)[1];

$nginx->reload(conf('usage_keep 30d; prefix house;'));
$usage->{prefix} = 'house';

is(status('kept'), 200, 'with another time and prefix');
is($usage->becomes('user', 'kept', '#none: 1000 1 1, #total: 1000 1 1'),
   '#none: 1000 1 1, #total: 1000 1 1', 'is counted');

for my $key ("{kept}/projects:$day", "{#none}/users:$day", "{$day}/users",
             "{$day}/projects", "{$day}/largest")
{
    my $ttl;

    $t->wait_for(sub { $ttl = $redis->command('TTL', "house:$key");
                       $ttl > 0 });

    ok($ttl > 29 * 86400 && $ttl <= 31 * 86400, "$key: 30 days ($ttl)");
}

# or not at all

$nginx->reload(conf('usage_keep off; prefix none;'));
is(status('off'), 200, 'with "off"');
$nginx->reload(conf('prefix some;'));
is(status('on'), 200, 'and without');
$usage->{prefix} = 'some';
is($usage->becomes('user', 'on', '#none: 1000 1 1, #total: 1000 1 1'),
   '#none: 1000 1 1, #total: 1000 1 1', 'is counted again');
is_deeply($redis->command('KEYS', 'none:*usage*'), [], 'nothing was written');
is_deeply([ grep { /off/ } @{ $redis->command('KEYS', '*') } ], [],
          'of that user, anywhere');
$nginx->stop;

# a zone that is full

my $port = $t->port;

$nginx = $t->nginx(conf('prefix full;', 'gate_zone 1m;'), port => $port);
$usage->{prefix} = 'full';

my $client = $t->client(port => $port);

is($client->request('/small', headers => { 'X-User' => 'first' })->{status},
   200, 'Redis is there');
ok($t->wait_for(sub { +{ $usage->user('first') }->{'#total'} }), 'and told');

$redis->halt;

my ($n, $passed) = (600, 0);

for my $i (1 .. $n) {
    $passed++ if $client->request("/small", headers => {
        'X-User' => "user$i" })->{status} == 200;
}

is($passed, $n, 'all pass, whether there is room or not');
is($nginx->said(qr/\[error\].*gate: usage is dropped/), 1,
   'one line says that usage is dropped');
$redis->go_on;
ok($t->wait_for(sub { $nginx->said(qr/\[notice\].*gate: usage is written down/)
                    }, 20), 'another that it is no more');

my ($bytes, $requests) = $t->read_file($nginx->{log})
    =~ /again, (\d+) bytes, (\d+) requests and 0 documents were dropped/;
my %metrics = metrics();

is($metrics{bytes}, $bytes, 'bytes that were dropped: as the metric has it');
is($metrics{requests}, $requests, 'and requests');
is($bytes, 1000 * $requests, 'whole ones');

my %users;

$t->wait_for(sub {
    %users = $usage->top('users');
    return $n == $requests + grep { /^user/ } keys %users;
});

is(scalar(grep { /^user/ } keys %users), $n - $requests,
   'the others are written down');
cmp_ok($requests, '>', 100, "which are not all ($requests)");

# the documents of one user, for which there is not always room

$redis->halt;
$client = $t->client(port => $port);
$client->request("/doc/$_", headers => { 'X-User' => 'reader' }) for 1 .. 600;

my $dropped = { metrics() }->{documents};

# 256 wait, and as many at most are on their way

ok($dropped >= 600 - 2 * 256 && $dropped <= 600 - 256,
   "of 600 documents, 256 are kept, and those of a batch ($dropped)");
$redis->go_on;

my $is;

$t->wait_for(sub {
    ($is) = (+{ $usage->user('reader') }->{'#total'} // '') =~ / (\d+ \d+)$/;
    return ($is // '') =~ /^600 /;
}, 20);
my ($requests_is, $documents_is) = split / /, $is // '0 0';

is($requests_is, 600, 'the requests of all are');

# so many distinct ones are estimated, as the README says

cmp_ok(abs($documents_is - (600 - $dropped)), '<', 30,
       "and what was kept of the documents ($documents_is)");

$t->done;

sub status {
    return $t->get('/small', headers => { 'X-User' => $_[0] })->{status};
}

sub metrics {
    my $body = $t->get('/metrics', port => $port)->{body};

    return $body =~ /usage_dropped_(\w+)_total (\d+)/g;
}

# As Redis names it.

sub text {
    my ($name) = @_;

    return $name if length $name <= 120 && $name !~ /^#|[\0- {}\x7f]/;
    return '#' . sha256_hex($name) . ' ' . substr $name, 0, 255;
}

sub conf {
    my ($words, $zone) = @_;

    $zone //= '';

    return $t->conf(http => <<"END", server => <<'END2');
    $zone
    large_client_header_buffers  4 32k;

    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 500ms; $words }

    map \$uri \$project { "~(?s)^/p/(?<p>.*)\$" \$p; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        project      \$project;
    }
END
        gate  counted;

        location ~ ^/(doc|p)/ { alias %%DIR%%/docs/small; }
        location = /metrics { gate off; gate_metrics; }
END2
}
