#!/usr/bin/perl

# Seeds for the target "names": certificates with all kinds of names, as DER in
# the directory given.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use MIME::Base64 qw(decode_base64);
use Test::Gate;

my ($dir) = @ARGV;
my $t = Test::Gate->new;

my %seeds = (
    upn => { upns => [ [ utf8 => 'alice@example.jp' ], [ ia5 => 'b' ] ] },
    all => { o => [ [ bmp => "\x5c\x71" ] ], ou => [ [ t61 => "Jos\xe9" ] ],
             emails => [ 'a@b.jp', "c\0" ], dns => [ 'host' ],
             uris => [ 'spiffe://a/b' ], upns => [ [ utf8 => 'u' ] ] },
    null => { names => [ "\xa0\x10\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14"
                         . "\x02\x03\xa0\x02\x05\0" ] },
    universal => { cn => [ [ universal => "\0\0\x5c\x71\0\1\xf6\0" ] ] },
);

for (sort keys %seeds) {
    $t->forge($_, cn => [ [ utf8 => "\xe5\xb1\xb1" ] ], %{ $seeds{$_} });

    my ($pem) = $t->read_file("$_.pem")
                =~ /BEGIN CERTIFICATE-----\n(.*?)-----END/s;

    $t->write_file("$dir/$_", decode_base64($pem));
}
