#!/usr/bin/perl

# Seeds for the target "client_cert": a certificate in all the forms in which
# load balancers hand it on, in the directory given.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::Gate;

my ($dir) = @ARGV;
my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');

my $pem = $t->read_file('alice.crt');
my $ca = $t->read_file('ca.pem');
my ($base64) = $pem =~ /BEGIN CERTIFICATE-----\n(.*?)-----END/s;
my $escaped = $pem =~ s/([^-A-Za-z0-9_.~])/sprintf '%%%02X', ord $1/ger;

$base64 =~ s/\n//g;

my %seeds = (
    rfc9440 => ":$base64:\0:$base64:, :$base64:",
    nginx   => "$escaped\0$escaped",
    tabs    => $pem =~ s/\n/\n\t/gr,
    haproxy => $base64,
    pem     => "$pem$ca",
    envoy   => 'By=spiffe://a/b;Hash=' . '0a' x 32 . ";Cert=\"$escaped\";"
               . "Chain=\"$escaped$escaped\";Subject=\"CN=\\\"a\\\"\";URI=a",
    short   => ':MAEC:',
);

$t->write_file("$dir/$_", $seeds{$_}) for sort keys %seeds;
