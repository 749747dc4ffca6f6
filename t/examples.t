#!/usr/bin/perl

# Every configuration under conf-examples/ is one that nginx takes: what it
# names below /tmp/gate or /etc/nginx/gate is made, and "nginx -t" asked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $dir = $t->dir;
my $top = $t->top;
my $nginx = $ENV{TEST_NGINX} // 'nginx';

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');
$t->write_file('redis.password', "secret\n");

# where an nginx that is not Debian's has its pid

$t->write_file('logs/.keep', '');
$t->write_file(s{.*/}{}r, $t->read_file($_))
    for glob "$top/conf-examples/*/*.map";

for my $file (sort glob("$top/conf-examples/*.conf "
                        . "$top/conf-examples/*/*.conf"))
{
    my $conf = $t->read_file($file);
    my ($name) = $file =~ m{conf-examples/(.*)$};

    next unless $conf =~ /^http \{/m;

    $conf =~ s{/tmp/gate|/etc/nginx/gate}{$dir}g;
    $conf =~ s{modules/ngx_http_gate_module\.so}{$t->module}ge;
    $conf =~ s{^user .*}{}mg;

    my $copy = $t->write_file('example.conf', $conf);
    my $said = qx($nginx -t -q -e $dir/error.log -p $dir -c $copy 2>&1);

    is($? >> 8, 0, "$name: nginx takes it") or diag($said);
}

my $quickstart = "$top/conf-examples/quickstart/run --check --port "
                 . $t->port . " --dir $dir/quickstart";
my $said = qx($quickstart 2>&1);

is($? >> 8, 0, 'the quickstart checks well') or diag($said);
like($said, qr/^\d+ passed, 0 failed$/m, 'and says so');

$t->done;
