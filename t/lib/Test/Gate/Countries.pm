package Test::Gate::Countries;

# Country databases as MaxMind's: networks to ISO codes.

use strict;
use warnings;

use MaxMind::DB::Writer::Tree;

sub write {
    my ($file, %networks) = @_;

    my %types = (country => 'map', iso_code => 'utf8_string');

    my $tree = MaxMind::DB::Writer::Tree->new(
        ip_version               => 6,
        record_size              => 24,
        database_type            => 'GeoLite2-Country',
        languages                => ['en'],
        description              => { en => 'countries of a test' },
        alias_ipv6_to_ipv4       => 1,
        remove_reserved_networks => 0,
        map_key_type_callback    => sub { $types{ $_[0] } },
    );

    for my $network (sort keys %networks) {
        $tree->insert_network($network,
                              { country => { iso_code =>
                                             $networks{$network} } });
    }

    open my $fh, '>:raw', $file or die "$file: $!";
    $tree->write_tree($fh);
    close $fh or die "$file: $!";

    return $file;
}

1;
